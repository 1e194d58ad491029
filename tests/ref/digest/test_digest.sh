#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The digest is the recorded one. The number of threads and the library for products do not change it.
. tests/support/tap.sh
families=$(sed -nE 's/^(FAMILY|LATER)\(([a-z_]+)\)/\2/p' ref/digest/digest.def)
one=$tap_folder/one three=$tap_folder/three
OMP_NUM_THREADS=1 "$PULSE" digest > "$one"
"$PULSE" digest --threads 3 > "$three"

# The families with matrix products have the same digests if the BLAS library computes all products, with its kernels
# for the named core type, or for this machine's if the name is empty.
through_library() {
    diff <(grep -E '^(products|attention|model) ' "$one") <(OPENBLAS_CORETYPE=$1 PULSE_BLAS=always "$PULSE" digest products attention model)
}
alone() { diff <("$PULSE" digest "$1") <(grep "^$1 " "$one"); }

each_family_once() {
    [ "$(sed 1d "$one" | head -n -2 | cut -d' ' -f1)" = "$families" ] && [ "$(cut -d' ' -f2 "$one" | sort | uniq -d | wc -l)" = 0 ]
}
# `total` is frozen: its families, and the methods and operators that they run, are those of the first record.
listed() { sed -nE "s/^$1\(([a-z_0-9]+)\)/\1/p" "$2" | sort; }
ran() { "$PULSE" digest --nodes $(listed FAMILY ref/digest/digest.def) | awk 'NF == 4 { print $3 }' | sort -u; }
later() { comm -23 <(listed OP tensor/ops.def) <(listed PINNED_OPERATOR ref/digest/pinned.def); }
later_ran() { "$PULSE" digest --nodes $(listed LATER ref/digest/digest.def) | awk 'NF == 4 { print $3 }' | sort -u; }
nodes_as_json() { python3 -c 'import json, sys; d = json.load(sys.stdin); sys.exit(d["nodes"][0]["family"] != "norms" or len(d["families"]) != 1)' < <("$PULSE" digest --json --nodes norms); }

check "digest says its spec first and the total last" grep -qE '^spec [0-9]+ .*total [0-9a-f]{64} $' <(tr '\n' ' ' < "$one")
check "each family has one line, and no two are alike" each_family_once
check "total is over 16 families, and total2 over those that joined later too" test 16 = "$(listed FAMILY ref/digest/digest.def | wc -l)"
check "the line of total2 is above that of total" grep -qE ' total2 ([0-9a-f]{64}) total [0-9a-f]{64} $' <(tr '\n' ' ' < "$one")
check "the families of total run the pinned operators, all of them and no other" diff <(listed PINNED_OPERATOR ref/digest/pinned.def) <(ran)
check "every operator that joined later runs in a later family" test -z "$(comm -23 <(later) <(later_ran))"
if command -v python3 > /dev/null; then
    check "the JSON has the nodes too" nodes_as_json
else
    skip "the JSON has the nodes too" "python3 is not installed"
fi
check "the number of threads makes no difference" diff "$one" "$three"
for core in "" Prescott Nehalem Haswell; do
    check "the library for products makes no difference${core:+, with its kernels for $core}" through_library "$core"
done
check "a family alone has the digest that it has among all families" alone random
if [ -e fixtures/digest.txt ]; then
    check "the digest is the recorded one, fixtures/digest.txt" diff fixtures/digest.txt "$one"
else
    skip "the digest is the recorded one, fixtures/digest.txt" "fixtures/digest.txt is not there"
fi
finish
