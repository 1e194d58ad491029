#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One digest: whatever the threads and the engine, and the one that was recorded.
. tests/support/tap.sh
families=$(sed -nE 's/^FAMILY\(([a-z_]+)\)/\1/p' ref/digest/digest.def)
one=$tap_folder/one three=$tap_folder/three
OMP_NUM_THREADS=1 "$PULSE" digest > "$one"
"$PULSE" digest --threads 3 > "$three"

# The families with products, all sent through the library, by the core type that is named.
through_library() {
    diff <(grep -E '^(products|attention|model) ' "$one") <(OPENBLAS_CORETYPE=$1 PULSE_BLAS=always "$PULSE" digest products attention model)
}
alone() { diff <("$PULSE" digest "$1") <(grep "^$1 " "$one"); }

each_family_once() {
    [ "$(sed 1d "$one" | sed '$d' | cut -d' ' -f1)" = "$families" ] && [ "$(cut -d' ' -f2 "$one" | sort | uniq -d | wc -l)" = 0 ]
}
check "digest says its spec first and the total last" grep -qE '^spec [0-9]+ .*total [0-9a-f]{64} $' <(tr '\n' ' ' < "$one")
check "each family has one line, and no two are alike" each_family_once
check "threads cannot be seen" diff "$one" "$three"
for core in "" Prescott Nehalem Haswell; do
    check "the product engine cannot be seen${core:+, nor that it takes this for a $core}" through_library "$core"
done
check "a family alone is what it is among all" alone random
if [ -e fixtures/digest.txt ]; then
    check "it is the recorded one, fixtures/digest.txt" diff fixtures/digest.txt "$one"
else
    skip "it is the recorded one" "fixtures/digest.txt is not there"
fi
finish
