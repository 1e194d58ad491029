/* SPDX-License-Identifier: MIT */
/* The BLAS library as an engine. It is opened when it is first needed, tested, and refused with a sentence if it cannot
 * be used. The build chooses which library it is (make BLAS=…).
 *
 * Address space: OpenBLAS asks for 128 MiB for each thread when it is loaded, and repeats this without end if it
 * does not get them. So this file asks for the space before it loads the library.
 * Path: the library is searched for at the path that was found when the program was built, then by its soname.
 * Threads: each of our threads calls the library, which must not start threads of its own in such a call. An OpenBLAS
 * for OpenMP lets each thread set its own number of threads. An OpenBLAS for POSIX threads has a single number for the
 * whole process, and is refused. */
#include "tensor/product/engine.h"

#if defined(PULSE_BLAS_builtin)

const Engine *engine_library(void) { return &engine_builtin; }
const char *engine_refusal(void) { return NULL; }

#else

#include <dlfcn.h>
#include <fenv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "tensor/base/team.h"

/* --- The library's functions, which the three libraries' headers declare in different ways --- */

enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };

static void *library;
static char library_name[256];
static void (*dgemm)(int layout, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda,
                     const double *b, int ldb, double beta, double *c, int ldc);

/* Finds a function of the library; false: there is none of this name. dlsym returns a pointer to an object. POSIX says
 * that it may point to a function, but ISO C has no conversion between the two types, so the pointer's bytes are
 * copied. */
static bool find(const char *symbol, void *function)
{
    void *found = dlsym(library, symbol);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static const char *name(void) { return library_name; }

#if defined(PULSE_BLAS_openblas)
#define WORD "openblas"
static const char *const paths[] = { PULSE_BLAS_PATH, "libopenblas.so.0", "libopenblaso.so.0" };

static void (*set_threads)(int n);
static int (*get_threads)(void);

static size_t space_needed(void)
{
    size_t threads = team_size(), processors = team_processors();
    return ((threads > processors ? threads : processors) + 1) << 27;
}

static bool begin(Error *e)
{
    enum { OPENMP = 2 };
    int (*parallel)(void);
    const char *(*config)(void), *(*core)(void);
    if (!find("omp_set_num_threads", &set_threads) || !find("omp_get_max_threads", &get_threads))
        return error_set_kind(e, ERROR_ENVIRONMENT, "it was not built for OpenMP");
    if (!find("openblas_get_parallel", &parallel) || !find("openblas_get_config", &config) || !find("openblas_get_corename", &core))
        return error_set_kind(e, ERROR_ENVIRONMENT, "it is not OpenBLAS");
    if (parallel() != OPENMP)
        return error_set_kind(e, ERROR_ENVIRONMENT, "it was not built for OpenMP");
    snprintf(library_name, sizeof library_name, "%s, kernel %s", config(), core());
    return true;
}

/* Returns the number of threads that the library would start for the calling thread, and sets it to 1. */
static int call_begin(void)
{
    int before = get_threads();
    set_threads(1);
    return before;
}

static void call_end(int before) { set_threads(before); }

#elif defined(PULSE_BLAS_blis)
#define WORD "blis"
static const char *const paths[] = { PULSE_BLAS_PATH, "libblis.so.4" };
static void (*set_threads)(long n);

static size_t space_needed(void) { return 0; }

static bool begin(Error *e)
{
    const char *(*version)(void), *(*arch)(int);
    int (*arch_id)(void);
    if (!find("bli_thread_set_num_threads", &set_threads) || !find("bli_info_get_version_str", &version)
        || !find("bli_arch_query_id", &arch_id) || !find("bli_arch_string", &arch))
        return error_set_kind(e, ERROR_ENVIRONMENT, "it is not BLIS");
    snprintf(library_name, sizeof library_name, "BLIS %s, kernel %s", version(), arch(arch_id()));
    return true;
}

/* BLIS would start a team of its own; each of our threads tells it not to, once. */
static int call_begin(void)
{
    static _Thread_local bool told;
    if (!told)
        set_threads(1);
    told = true;
    return 0;
}

static void call_end(int before) { (void)before; }

#else
#define WORD "netlib"
static const char *const paths[] = { PULSE_BLAS_PATH, "libblas.so.3", "libcblas.so.3" };

static size_t space_needed(void) { return 0; }

/* In some distributions another library has the name of the reference BLAS. */
static bool begin(Error *e)
{
    void *other;
    if (find("openblas_get_config", &other) || find("bli_info_get_version_str", &other))
        return error_set_kind(e, ERROR_ENVIRONMENT, "it is not the reference BLAS");
    snprintf(library_name, sizeof library_name, "reference BLAS (netlib)");
    return true;
}

static int call_begin(void) { return 0; }
static void call_end(int before) { (void)before; }
#endif

/* --- Sums --- */

/* The lines of a side are the rows of a matrix if k_stride is 1, and its columns otherwise. If both strides are 1, the
 * matrix is taken as rows; BLAS accepts any leading dimension of at least the length of a row. */
static int leading_dimension(Side s, size_t length)
{
    size_t stride = s.k_stride == 1 ? s.line_stride : s.k_stride;
    return (int)(s.k_stride == 1 && stride < length ? length : stride);
}

/* With `add`, the library's sums go to `scratch`, and are added to c afterwards. If the library itself added to c, it
 * could take what c holds anywhere into its tree of additions, and the driver's bound would not hold. */
static void sum(size_t m, size_t n, size_t length, Side a, const double *strips, bool add, double *c, size_t c_stride, double *scratch)
{
    double *to = add ? scratch : c;
    int before = call_begin();
    dgemm(CblasRowMajor, a.k_stride == 1 ? CblasNoTrans : CblasTrans, CblasNoTrans, (int)m, (int)n, (int)length, 1,
          a.value, leading_dimension(a, length), strips, (int)padded(n), 0, to, (int)c_stride);
    call_end(before);
    for (size_t i = 0; i < m && add; i++)
        for (size_t j = 0; j < n; j++)
            c[i * c_stride + j] += to[i * c_stride + j];
}

static const Engine blas = { .word = WORD, .name = name, .width = 256, .cols = 256, .sum = sum };

/* --- Opening --- */

static Error refusal;

/* RTLD_DEEPBIND keeps the program's own symbols out of the library. It must not be set under a sanitizer, whose
 * replacements the library needs. clang defines neither of gcc's two macros for sanitizers, so the flag is never set
 * with clang. */
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(RTLD_DEEPBIND)
enum { OPEN_FLAGS = RTLD_NOW | RTLD_LOCAL };
#else
enum { OPEN_FLAGS = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND };
#endif

static bool space_is_there(Error *e)
{
    const size_t bytes = space_needed() + (64u << 20);                  // with room for the library's code and data
    void *space = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return error_set_kind(e, ERROR_ENVIRONMENT, "the BLAS library needs up to %zu MiB of address space for %zu threads, "
                                                    "which this process may not have; "
                         "expected a higher limit (ulimit -v) or fewer threads", bytes >> 20, team_size());
    munmap(space, bytes);
    return true;
}

static bool open_at(const char *path, Error *e)
{
    Error why = { 0 };
    library = dlopen(path, OPEN_FLAGS);
    if (!library)
        return error_set_kind(e, ERROR_ENVIRONMENT, "the BLAS library was not found: %s", dlerror());
    if (find("cblas_dgemm", &dgemm) ? begin(&why) : error_set_kind(&why, ERROR_ENVIRONMENT, "it has no cblas_dgemm"))
        return true;
    dlclose(library);
    return error_set_kind(e, ERROR_ENVIRONMENT, "the library %s was refused: %s", path, why.text);
}

/* A library that was built with -ffast-math changes the floating-point environment; so the environment is saved and
 * restored. */
static bool open_library(Error *e)
{
    fenv_t before;
    bool open = false;
    if (!space_is_there(e))
        return false;
    fegetenv(&before);
    for (size_t k = 0; k < sizeof paths / sizeof *paths && !open; k++)
        open = *paths[k] && open_at(paths[k], e);
    fesetenv(&before);
    if (!open)
        return error_set_kind(e, ERROR_ENVIRONMENT, "the BLAS library was not found: %s", paths[0]);
    *e = (Error){ 0 };
    return engine_selftest(&blas, e);
}

const Engine *engine_library(void)
{
    enum { UNTRIED, OPENING, OPEN, REFUSED };
    static _Atomic int state;
    int untried = UNTRIED;
    if (state == UNTRIED && !team_inside() && atomic_compare_exchange_strong(&state, &untried, OPENING))
        state = open_library(&refusal) ? OPEN : REFUSED;
    return state == OPEN ? &blas : &engine_builtin;
}

const char *engine_refusal(void) { return refusal.failed ? refusal.text : NULL; }

#endif
