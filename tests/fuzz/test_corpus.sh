#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tries once every file that `make fuzz` starts from: the inputs of earlier fuzzing that tests/fuzz/corpus has, and the
# files of our own writers.
. tests/support/tap.sh
targets=$(env -u PULSE_FUZZ "$BUILD/fuzz_parsers" | sort)
kept=$(find tests/fuzz/corpus -name '*.tar.gz' -printf '%f\n' | sed 's/\.tar\.gz$//' | sort)
check "tests/fuzz/corpus has one archive for every fuzz target, and no other archive" test "$targets" = "$kept"
check "every input is accepted or gives an error, and each target accepts some input" env FUZZ_SECONDS=0 bash tests/fuzz/fuzz.sh "$BUILD"
finish
