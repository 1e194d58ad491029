#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A sample of `make mutants`: each bound is made too small and each rule for ties is reversed, one at a time, and its
# recorded hard case (fixtures/hard.txt) must see that. Only bounds in tests/bounds/equivalent.txt have no hard case.
BUILD=${BUILD:-build}
. tests/support/tap.sh
cases=fixtures/hard.txt
check "each hard case has the right result, and sees the mutant that it is for" "$BUILD/probe/bounds_measure" --check $cases
without() {
    sed -nE 's/^BOUND\(([a-z0-9_]+),.*/\1/p; s/^TIE\(([a-z0-9_]+),.*/~\1/p' tensor/exact/bounds.def | while read -r name; do
        grep -qE "^[a-z]+ $name(=| )" $cases || grep -qE "^$name(=0)? " tests/bounds/equivalent.txt || echo "$name"
    done
}
check "each bound and each rule for ties has a hard case, or is explained" test -z "$(without)"
finish
