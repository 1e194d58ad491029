/* SPDX-License-Identifier: MIT */
/* A plain mutating driver for fuzz_parsers.c, for compilers without libFuzzer: fuzz_parsers SECONDS RUNS SEED CRASHFILE
 * CORPUS. It tries the files of CORPUS as they are, at most 256 files and 64 KB of each. Then it tries mutated files,
 * until SECONDS have passed or RUNS inputs, those of CORPUS included, were tried. 0 means no such limit; if both are 0,
 * nothing is mutated. Each input is written to CRASHFILE before it is tried, and stays there after a crash. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/fuzz/fuzz.h"
#include "tests/support/check.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 256, LARGEST = 1 << 16 };
static struct { uint8_t *data; size_t size; } corpus[FILES];
static size_t corpus_count;

static void read_corpus(const char *folder)
{
    DIR *all = opendir(folder);
    for (struct dirent *one; all && (one = readdir(all)) && corpus_count < FILES;) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        FILE *f = *one->d_name == '.' ? NULL : fopen(path, "rb");
        if (!f)
            continue;
        corpus[corpus_count].data = malloc(LARGEST);
        corpus[corpus_count].size = fread(corpus[corpus_count].data, 1, LARGEST, f);
        corpus_count++;
        fclose(f);
    }
    if (all)
        closedir(all);
}

/* Makes one of seven mutations in the n bytes of an input, and returns how many bytes it then has. Flips a bit; sets a
 * byte at random or to a character that parsers treat specially; removes a part, overwrites one with another, or
 * repeats one; or cuts off the end, but leaves the input as it is in three of four such cases. An empty input stays
 * empty. `s` is the state of the random numbers. */
static size_t mutate(uint8_t *d, size_t n, uint64_t *s)
{
    static const char special[] = "\"{}[]:,\\0-9eE.\n\xff\x7f\x80";
    size_t at = n ? check_below(s, n) : 0, length = n ? 1 + check_below(s, n - at < 64 ? n - at : 64) : 0, to = n ? check_below(s, n) : 0;
    switch (n ? check_below(s, 7) : 5) {
    case 0: d[at] ^= (uint8_t)(1u << check_below(s, 8)); return n;
    case 1: d[at] = (uint8_t)check_random(s); return n;
    case 2: d[at] = (uint8_t)special[check_below(s, sizeof special)]; return n;
    case 3: memmove(d + at, d + at + length, n - at - length); return n - length;
    case 4: memmove(d + to, d + at, n - to < length ? n - to : length); return n;
    case 5:
        if (n >= LARGEST - 64)
            return n;
        memmove(d + at + length, d + at, n - at);
        return n + length;
    default: return check_below(s, 4) ? n : at;
    }
}

static void keep(const char *path, const uint8_t *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
        exit(2);
}

static void try_one(const char *path, const uint8_t *data, size_t n)
{
    keep(path, data, n);
    LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv)
{
    LLVMFuzzerInitialize(&argc, &argv);
    if (argc != 6)
        return 2;
    const long seconds = atol(argv[1]);
    const time_t until = time(NULL) + seconds;
    const uint64_t most = strtoull(argv[2], NULL, 10);
    uint64_t s = strtoull(argv[3], NULL, 10), runs = 0;
    static uint8_t input[LARGEST + 64];
    read_corpus(argv[5]);
    for (; runs < corpus_count; runs++)
        try_one(argv[4], corpus[runs].data, corpus[runs].size);
    const size_t accepted = fuzz_accepted;
    for (; corpus_count && (seconds || most) && (!seconds || time(NULL) < until) && (!most || runs < most); runs++) {
        size_t k = check_below(&s, corpus_count), n = corpus[k].size;
        memcpy(input, corpus[k].data, n);
        for (size_t changes = check_below(&s, 8); changes > 0; changes--)
            n = mutate(input, n, &s);
        try_one(argv[4], input, n);
    }
    remove(argv[4]);
    printf("%llu inputs, %zu of them accepted, from %zu seeds, %zu of them accepted\n", (unsigned long long)runs, fuzz_accepted,
           corpus_count, accepted);
    return accepted ? 0 : 2;                    // if no seed is accepted, nothing reaches the inside of the parser
}
