/* SPDX-License-Identifier: MIT */
/* The micro-kernel of one type of processor. kernel.c includes this file once for each type, with LANES (doubles in a
 * register), ROWS (lines of the left operand at a time), VECTORS (registers in a row of sums) and TARGET defined. ROWS
 * x VECTORS registers of sums are kept while k runs. If the last columns fit one register, only this one is summed:
 * heads of 24 values take three registers of eight, not four. */
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(x)     JOIN(x, LANES)

typedef double NAME(Vector) __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

static inline __attribute__((always_inline)) TARGET
void NAME(micro)(size_t rows, size_t vectors, size_t length, const double *a, size_t line_stride, size_t k_stride,
                 const double *panel, bool add, double *c, size_t c_stride)
{
    NAME(Vector) sum[ROWS][VECTORS] = { { { 0 } } };
    for (size_t k = 0; k < length; k++) {
        const NAME(Vector) *b = (const NAME(Vector) *)(panel + k * KERNEL_COLS);
        for (size_t i = 0; i < rows; i++)
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] += a[i * line_stride + k * k_stride] * b[v];
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++) {
            NAME(Vector) *to = (NAME(Vector) *)(c + i * c_stride + v * LANES);
            if (add)
                sum[i][v] += *to;
            *to = sum[i][v];
        }
}

/* The sums of up to ROWS lines. The compiler knows the number of rows in each branch: ROWS in the first, and one
 * remainder in each of the others. */
static inline __attribute__((always_inline)) TARGET
void NAME(lines)(size_t rows, size_t vectors, size_t length, const double *a, size_t line_stride, size_t k_stride,
                 const double *panel, bool add, double *c, size_t c_stride)
{
    switch (rows) {
#define REST(r) case r: NAME(micro)(r, vectors, length, a, line_stride, k_stride, panel, add, c, c_stride); break;
    REST(ROWS) REST(1) REST(2) REST(3)
#if ROWS > 4
    REST(4) REST(5)
#endif
#if ROWS > 6
    REST(6) REST(7)
#endif
#undef REST
    }
}

static TARGET
void NAME(product)(size_t m, size_t n, size_t length, Side a, const double *panels, size_t depth,
                   bool add, double *c, size_t c_stride)
{
    for (size_t j = 0; j < n; j += VECTORS * LANES) {
        const double *panel = panels + j / KERNEL_COLS * KERNEL_COLS * depth + j % KERNEL_COLS;
        for (size_t i = 0; i < m; i += ROWS) {
            const size_t rows = m - i < ROWS ? m - i : ROWS;
            const double *lines = a.value + i * a.line_stride;
            double *to = c + i * c_stride + j;
            if (n - j > LANES)
                NAME(lines)(rows, VECTORS, length, lines, a.line_stride, a.k_stride, panel, add, to, c_stride);
            else
                NAME(lines)(rows, 1, length, lines, a.line_stride, a.k_stride, panel, add, to, c_stride);
        }
    }
}

#undef LANES
#undef ROWS
#undef VECTORS
#undef TARGET
#undef NAME
#undef JOIN
#undef JOIN_
