#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mutants.sh BUILD [NAME…]: makes one thing wrong at a time, and expects that a test fails. Each bound is multiplied by
# half of its measure (docs/bounds.md), which fixtures/hard.txt records, and then by 0, so that the next tier is never
# used. A bound without a hard case is only multiplied by 0. Each rule for ties is reversed. Prints one line for each
# mutant: the first test that sees it, or "survives". A survivor that tests/bounds/equivalent.txt does not explain is a
# failure. NAMEs select bounds and rules.
set -u
build=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} LC_ALL=C

# tests_of FILE: the tests for a bound that is derived in FILE. The hard cases are first, for they take milliseconds.
tests_of() {
    case $1 in
    exact/angle.c) echo test_hard test_angle ;;
    exact/scalar_* | exact/dd.c) echo test_hard test_scalar ;;
    ops/softmax_grad.c | ops/op_loss.c) echo test_hard test_loss ;;
    ops/softmax*) echo test_hard test_softmax ;;
    product/*) echo test_hard test_gemm test_attention_product ;;
    ops/op_reduce.c | ops/op_columns.c | ops/op_rows.c) echo test_hard test_reduce ;;
    ops/op_pointwise.c | ops/op_rope.c) echo test_hard test_pointwise ;;
    ops/op_step.c | ops/op_adam.c) echo test_hard test_step test_clip ;;
    ops/op_norm.c | exact/big.c) echo test_hard test_norm ;;
    exact/exact.c | exact/round.*) echo test_hard test_reduce test_exact test_pointwise ;;
    *) echo "mutants.sh: no tests are known for $1" >&2; exit 2 ;;
    esac
}

# Prints NAME FILE for every bound, and ~NAME FILE for every rule for ties.
names() { sed -nE 's/^BOUND\(([a-z_]+),.*"([a-z]+\/[a-z_.]+)",.*/\1 \2/p; s/^TIE\(([a-z_]+),.*"([a-z]+\/[a-z_.]+)",.*/~\1 \2/p' tensor/exact/bounds.def; }
scale_of() { sed -nE "s/^[a-z]+ $1=([0-9.e-]+).*/\1/p" fixtures/hard.txt | head -n 1; }

all=$(names)
if [ "$(echo "$all" | wc -l)" != "$(grep -cE '^(BOUND|TIE)\(' tensor/exact/bounds.def)" ]; then
    echo "mutants.sh: not every line of bounds.def was read" >&2
    exit 2
fi
[ $# = 0 ] || all=$(while read -r name file; do [[ " $* " != *" $name "* ]] || echo "$name $file"; done <<< "$all")
programs=$(while read -r _ file; do tests_of "$file"; done <<< "$all" | tr ' ' '\n' | sort -u)
make -s $(for program in $programs; do echo "$build/probe/$program"; done) > /dev/null || exit 2

seen=0 alive=0 failed=0
run() {     # run MUTANT FILE
    local test why
    for test in $(tests_of "$2"); do
        if ! PULSE_MUTANT=$1 timeout 300 "$build/probe/$test" > /dev/null 2>&1; then
            printf '%-32s seen by %s\n' "$1" "$test"
            seen=$((seen + 1))
            return
        fi
    done
    alive=$((alive + 1))
    why=$(sed -nE "s/^(${1//./\\.}|${1%%=*}) //p" tests/bounds/equivalent.txt | head -n 1)
    if [ -n "$why" ]; then
        printf '%-32s survives: %s\n' "$1" "$why"
    else
        printf '%-32s SURVIVES\n' "$1"
        failed=$((failed + 1))
    fi
}

for program in $programs; do
    timeout 300 "$build/probe/$program" > /dev/null 2>&1 || { echo "mutants.sh: $program fails with nothing wrong" >&2; exit 2; }
done
while read -r name file; do
    case $name in
    '~'*) run "$name" "$file" ;;
    *)
        scale=$(scale_of "$name")
        [ -z "$scale" ] || run "$name=$scale" "$file"
        [ "$scale" = 0 ] || run "$name=0" "$file"
        ;;
    esac
done <<< "$all"
echo "$((seen + alive)) mutants, $seen seen, $((alive - failed)) equivalent, $failed not explained"
[ $failed = 0 ] && [ $seen != 0 ]
