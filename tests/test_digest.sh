#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One digest: whatever the threads and the engine, and the one that was recorded.
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
families=$(sed -nE 's/^FAMILY\(([a-z_]+)\)/\1/p' ref/digest.def)
one=$tap_folder/one three=$tap_folder/three library=$tap_folder/library
OMP_NUM_THREADS=1 "$PULSE" digest > "$one"
"$PULSE" digest --threads 3 > "$three"
PULSE_BLAS=always "$PULSE" digest --json > "$library"

each_family_once() {
    [ "$(sed 1d "$one" | sed '$d' | cut -d' ' -f1)" = "$families" ] && [ "$(cut -d' ' -f2 "$one" | sort | uniq -d | wc -l)" = 0 ]
}
check "digest says its spec first and the total last" grep -qE '^spec [0-9]+ .*total [0-9a-f]{64} $' <(tr '\n' ' ' < "$one")
check "each family has one line, and no two are alike" each_family_once
check "threads cannot be seen" diff "$one" "$three"
check "the product engine cannot be seen" diff <(sed -n 's/^total //p' "$one") <(sed -nE 's/.*"total": "([0-9a-f]*)".*/\1/p' "$library")
if [ -e fixtures/digest.txt ]; then
    check "it is the recorded one, fixtures/digest.txt" diff fixtures/digest.txt "$one"
else
    skip "it is the recorded one" "fixtures/digest.txt is not there"
fi
finish
