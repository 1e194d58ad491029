#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang warns of other things than gcc does. So clang reads every source but those of tests/faults/, and compiles none.
. tests/support/tap.sh
unset MAKELEVEL MAKEFLAGS MFLAGS
name="clang has no warning for any source"
if ! command -v clang > /dev/null; then
    skip "$name" "clang is not installed"
    finish
fi
object=$(make -s where CC=clang)/obj/ref/main.o
# look: make's command for ref/main.c, but one that only reads sources, those of "$@"
look=$(make -n -W ref/main.c "$object" CC=clang WERROR=1 | sed -nE 's| -MMD -MP -c ref/main\.c .*| -fsyntax-only -DPULSE_CODE=\\"\\" -DPULSE_SONAME=\\"\\" "$@"|p' | tail -n 1)
sources() { find tensor model unlearn eval ref tests fixtures/world -name '*.c' ! -path 'tests/faults/*'; }
looked() { [ -n "$look" ] && xargs -P "$(nproc 2> /dev/null || echo 2)" -n 16 bash -c "$look" clang; }
all() { sources | looked; }
check "$name" all
echo 'int f(int x); int f(int x) { int y; if (x && (y = x) > 1) return 0; return y; }' > "$tap_folder/unset.c"
unset_one() { ! echo "$tap_folder/unset.c" | looked 2> "$tap_folder/said" && grep -q sometimes-uninitialized "$tap_folder/said"; }
check "clang warns if a value may be unset" unset_one
finish
