/* SPDX-License-Identifier: MIT */
#include "tensor/base/decimal.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/float.h"

/* Sets the "C" locale for this thread, so that the decimal point of strtof, strtod and printf is a dot, and returns the
 * locale before. (In every locale, the C library's functions round decimals correctly.) */
static locale_t plain_begin(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static void plain_end(locale_t before)
{
    locale_t plain = uselocale(before);
    if (plain != LC_GLOBAL_LOCALE && plain != before)
        freelocale(plain);
}

static double read_back(const char *text, bool single)
{
    return single ? (double)strtof(text, NULL) : strtod(text, NULL);
}

/* |x| = digits 10^exponent, with the fewest digits that read back as x. For each count of digits, the nearest
 * decimal is tried, and then the next one above. Below a power of two the gap between floats is half as wide, so
 * the nearest decimal may not read back as x although the one above does. */
static int shortest(double x, bool single, char digits[24])
{
    for (int count = 1; ; count++) {
        char text[40], candidate[40];
        snprintf(text, sizeof text, "%.*e", count - 1, x);
        int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10) - (count - 1);
        uint64_t whole = (uint64_t)(text[0] - '0');
        for (int i = 2; i <= count; i++)
            whole = whole * 10 + (uint64_t)(text[i] - '0');
        for (int above = 0; above < 2; above++) {
            snprintf(candidate, sizeof candidate, "%" PRIu64 "e%d", whole + (uint64_t)above, exponent);
            if (count >= 17 || read_back(candidate, single) == x) {
                snprintf(digits, 24, "%" PRIu64, whole + (uint64_t)above);
                return exponent;
            }
        }
    }
}

/* Writes digits 10^exponent as Python's repr does: without an "e" for 1e-4 <= |x| < 1e16. `top` is the power of ten of
 * the first digit. */
static void spell(const char *digits, int exponent, char *out)
{
    int count = (int)strlen(digits), top = exponent + count - 1;
    if (top < -4 || top >= 16)
        snprintf(out, 31, "%c%s%.16se%+03d", digits[0], count > 1 ? "." : "", digits + 1, top);
    else if (top < 0)
        snprintf(out, 31, "0.%.*s%s", -top - 1, "000", digits);
    else if (exponent < 0)
        snprintf(out, 31, "%.*s.%s", top + 1, digits, digits + top + 1);
    else
        snprintf(out, 31, "%s%.*s.0", digits, exponent, "000000000000000");
}

static char *decimal(double x, bool single, char out[32])
{
    char digits[24], *p = out;
    if (x != x)
        return strcpy(out, "NaN");
    if (signbit(x))
        *p++ = '-';
    if (isinf(x) || x == 0) {
        strcpy(p, x == 0 ? "0.0" : "inf");
        return out;
    }
    locale_t before = plain_begin();
    int exponent = shortest(fabs(x), single, digits);
    plain_end(before);
    for (size_t n = strlen(digits); n > 1 && digits[n - 1] == '0'; exponent++)
        digits[--n] = 0;
    spell(digits, exponent, p);
    return out;
}

char *decimal_float(float x, char out[32])
{
    return decimal(x, true, out);
}

char *decimal_double(double x, char out[32])
{
    return decimal(x, false, out);
}

char *hex_double(double x, char out[32])
{
    if (x != x || isinf(x))
        return decimal(x, false, out);
    uint64_t bits = double_bits(x), tail = bits & (((uint64_t)1 << 52) - 1);
    int field = (int)(bits >> 52 & 0x7ff), exponent = field ? field - 1023 : tail ? -1022 : 0;
    char digits[16];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%013" PRIx64, tail);
    while (n > 0 && digits[n - 1] == '0')
        n--;
    snprintf(out, 32, "%s0x%d%s%.*sp%+d", bits >> 63 ? "-" : "", field != 0, n ? "." : "", (int)n, digits, exponent);
    return out;
}

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Whether the text has the form that decimal.h states: each of its parts needs at least one digit. */
static bool is_decimal(const char *p)
{
    const char *q = skip_digits(p += *p == '-');
    if (q == p)
        return false;
    if (*q == '.') {
        q = skip_digits(p = q + 1);
        if (q == p)
            return false;
    }
    if (*q == 'e' || *q == 'E') {
        p = q + 1;
        q = skip_digits(p += *p == '+' || *p == '-');
        if (q == p)
            return false;
    }
    return *q == 0;
}

static bool read_decimal(const char *text, bool single, double *out)
{
    if (!is_decimal(text))
        return false;
    locale_t before = plain_begin();
    *out = read_back(text, single);
    plain_end(before);
    return isfinite(*out);
}

bool decimal_to_float(const char *text, float *out)
{
    double x;
    bool good = read_decimal(text, true, &x);
    if (good)
        *out = (float)x;
    return good;
}

bool decimal_to_double(const char *text, double *out)
{
    double x;
    bool good = read_decimal(text, false, &x);
    if (good)
        *out = x;
    return good;
}

bool decimal_to_int(const char *text, int64_t *out)
{
    const char *p = text + (*text == '-');
    if (p == skip_digits(p) || *skip_digits(p))
        return false;
    int64_t value = 0;
    for (; *p; p++) {
        int digit = *p - '0';
        if (__builtin_mul_overflow(value, 10, &value)
            || __builtin_add_overflow(value, *text == '-' ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}
