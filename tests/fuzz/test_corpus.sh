#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What `make fuzz` starts from: every input that an earlier fuzzing kept, and the files of our own writers, are tried once.
. tests/support/tap.sh
targets=$(env -u PULSE_FUZZ "$BUILD/fuzz_parsers" | sort)
kept=$(find tests/fuzz/corpus -name '*.tar.gz' -printf '%f\n' | sed 's/\.tar\.gz$//' | sort)
check "every fuzz target has inputs that were kept, and nothing else has" test "$targets" = "$kept"
check "every input gives an answer or a sentence, and some input of each target an answer" env FUZZ_SECONDS=0 bash tests/fuzz/fuzz.sh "$BUILD"
finish
