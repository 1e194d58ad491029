/* SPDX-License-Identifier: MIT */
#include "tensor/product/engine.h"

#include <stdio.h>

#if defined(PULSE_BLAS_openblas)
#include <omp.h>
#include <sys/mman.h>
#else
bool engine_ready(Error *e) { return !e->failed; }
#endif

#if defined(PULSE_BLAS_builtin)

void engine_product(size_t m, size_t n, size_t length, Side a, Side b, double *c, size_t c_stride, double *room)
{
    panels_pack(n, length, b, room);
    kernel_product(m, n, length, a, room, length, false, c, c_stride);
}

size_t engine_room(size_t n, size_t length) { return panels_size(n, length); }

const char *engine_name(void)
{
    static char text[64];
    snprintf(text, sizeof text, "built-in kernel, %s", kernel_name());
    return text;
}

#else

/* CBLAS, which all three libraries have; the few names we need, since their headers differ. */
enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };
void cblas_dgemm(int layout, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);

/* Lines with k_stride 1 are the rows of a matrix, otherwise its columns. A single column k values
 * long may say so with both strides 1: then it passes for a row, whose leading dimension is free. */
static int leading_dimension(Side s, size_t length)
{
    size_t stride = s.k_stride == 1 ? s.line_stride : s.k_stride;
    return (int)(s.k_stride == 1 && stride < length ? length : stride);
}

#if defined(PULSE_BLAS_blis)
void bli_thread_set_num_threads(long n);
const char *bli_info_get_version_str(void);

/* BLIS would start a team of its own; each of our threads tells it not to, once. */
static void engine_begin(void)
{
    static _Thread_local int told;
    if (!told)
        bli_thread_set_num_threads(1);
    told = 1;
}
#else
static void engine_begin(void) {}
#endif

void engine_product(size_t m, size_t n, size_t length, Side a, Side b, double *c, size_t c_stride, double *room)
{
    (void)room;
    engine_begin();
    cblas_dgemm(CblasRowMajor, a.k_stride == 1 ? CblasNoTrans : CblasTrans, b.k_stride == 1 ? CblasTrans : CblasNoTrans,
                (int)m, (int)n, (int)length, 1, a.value, leading_dimension(a, length), b.value, leading_dimension(b, length),
                0, c, (int)c_stride);
}

size_t engine_room(size_t n, size_t length)
{
    (void)n, (void)length;
    return 0;
}

#if defined(PULSE_BLAS_openblas)
/* A buffer for each thread, of 128 MiB of address space where its kernels are largest. */
bool engine_ready(Error *e)
{
    const size_t bytes = (size_t)omp_get_max_threads() << 27;
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return error_set(e, "OpenBLAS needs up to %zu MiB of address space for %d threads, which this process may not have, expected a higher limit (ulimit -v) or fewer threads",
                         bytes >> 20, omp_get_max_threads());
    munmap(room, bytes);
    return true;
}

const char *openblas_get_config(void);
const char *openblas_get_corename(void);

const char *engine_name(void)
{
    static char text[256];
    snprintf(text, sizeof text, "%s, kernel %s", openblas_get_config(), openblas_get_corename());
    return text;
}
#elif defined(PULSE_BLAS_blis)
int bli_arch_query_id(void);
const char *bli_arch_string(int id);

const char *engine_name(void)
{
    static char text[64];
    snprintf(text, sizeof text, "BLIS %s, kernel %s", bli_info_get_version_str(), bli_arch_string(bli_arch_query_id()));
    return text;
}
#else
const char *engine_name(void) { return "reference BLAS (netlib)"; }
#endif

#endif
