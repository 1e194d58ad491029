#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A user's program may define names that the library uses inside: its own stb_image, a function gemm, a variable ops.
. tests/support/tap.sh
BUILD=${BUILD:-build}
if nm "$BUILD/libpulseref.so" 2> /dev/null | grep -qE ' U __(asan|tsan|ubsan)_'; then
    skip "programs of users" "they are linked without the library of the sanitizer that this build needs"
    finish
fi
found=$tap_folder/found
cc=$(make -s compiler 2> /dev/null)

# The same text is a C program and a C++ program.
cat > "$tap_folder/user.c" <<'TEXT'
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#include <string.h>
#include "ref/api/pulse.h"

#ifdef __cplusplus
extern "C" {
#endif
int ops = 7;
int gemm(int k) { return k + ops; }
int json_parse(int k) { return 2 * k; }
int error_set(int k) { return 3 * k; }
int tensor_f32(int k) { return 4 * k; }
#ifdef __cplusplus
}
#endif

int main(int argc, char **argv)
{
    static float x[64 * 64], y[64 * 64], pixels[3 * 28 * 28], again[3 * 28 * 28];
    int width = 0, height = 0, channels = 0, good = 0;
    pulse_context *ctx = 0;
    pulse_processor *processor = 0;
    stbi_uc *picture = stbi_load(argv[1], &width, &height, &channels, 3);
    pulse_tensor in[2], out;
    memset(in, 0, sizeof in);
    in[0].dtype = PULSE_F32; in[0].rank = 2; in[0].dims[0] = in[0].dims[1] = 64; in[0].data = x;
    in[1] = in[0];
    out = in[0];
    out.data = y;
    for (int k = 0; k < 64 * 64; k++)
        x[k] = (float)(k % 7);
    good = argc == 3 && picture != 0 && pulse_open(0, &ctx) == PULSE_OK
        && pulse_op(ctx, "linear", in, 2, 0, 0, 0, 0, &out) == PULSE_OK && y[0] == 819.0f
        && pulse_processor_open(ctx, argv[2], &processor) == PULSE_OK
        && pulse_pixels_file(ctx, processor, argv[1], pixels, sizeof pixels / sizeof *pixels) == PULSE_OK
        && pulse_pixels_rgb(ctx, processor, picture, (size_t)width, (size_t)height, again, sizeof again / sizeof *again) == PULSE_OK
        && memcmp(pixels, again, sizeof pixels) == 0 && gemm(1) + json_parse(1) + error_set(1) + tensor_f32(1) == 17;
    if (!good)
        fprintf(stderr, "%s\n", pulse_error_text(ctx));
    pulse_processor_close(processor);
    pulse_close(ctx);
    stbi_image_free(picture);
    return !good;
}
TEXT
cp "$tap_folder/user.c" "$tap_folder/user.cc"
cxx=${cc/#gcc/g++}
cxx=${cxx/#clang/clang++}
model=fixtures/vectors/v1/models/tiny-llava-a
# shellcheck disable=SC2086
links() { $1 -w -I. "$tap_folder/$2" ${3:-"$BUILD/libpulseref.so" "-Wl,-rpath,$PWD/$BUILD"} -lm -o "$tap_folder/program"; }
runs() { "$tap_folder/program" fixtures/vectors/v1/prep/crop.wide/picture.png $model/preprocessor_config.json; }
archive="$BUILD/libpulseref.a $(make -s needed)"

check "a C program links the shared library beside its own gemm, ops, json_parse and stb_image" links "$cc -std=c11" user.c
check "the C program with the shared library runs" runs
check "a C program links the archive beside the same names" links "$cc -std=c11" user.c "$archive"
check "the C program with the archive runs" runs
if ${cxx%% *} --version > /dev/null 2>&1; then
    check "a C++ program links the shared library beside the same names" links "$cxx -std=c++17" user.cc
    check "the C++ program with the shared library runs" runs
    check "a C++ program links the archive beside the same names" links "$cxx -std=c++17" user.cc "$archive"
    check "the C++ program with the archive runs" runs
else
    skip "a C++ program links the library" "there is no ${cxx%% *}"
fi

nm -D --defined-only "$BUILD/libpulseref.so" | sed 's/.* //' | grep -vE '^pulse_|^(_init|_fini|_edata|_end|__bss_start)$' > "$found"
check "the shared library exports only pulse_*" nothing "$found"
nm -g --defined-only "$BUILD/libpulseref.a" 2> /dev/null | grep -E '^[0-9a-f]+ ' | sed 's/.* //' | grep -v '^pulse_' > "$found"
check "the archive exports only pulse_*" nothing "$found"
comm -3 <(sed -nE 's/.*PULSE_API .*[ *](pulse_[a-z_]+)\(.*/\1/p' ref/api/pulse.h | sort) <(nm -D --defined-only "$BUILD/libpulseref.so" | sed -nE 's/.* (pulse_.*)/\1/p' | sort) > "$found"
check "pulse.h declares the same names that the library exports" nothing "$found"
check "the soname is that of the Makefile" grep -q "soname: \[$(sed -nE 's/^SONAME = //p' Makefile)\]" <(readelf -d "$BUILD/libpulseref.so")
wc -l < ref/api/pulse.h | awk '$1 > 300 { print $1 " lines" }' > "$found"
check "pulse.h has at most 300 lines" nothing "$found"
finish
