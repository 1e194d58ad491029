#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# every_alloc.sh BUILD [COMMAND…]: each allocation of small commands fails once; of a `run`, those of all its
# processes. After each failure, one of two things must hold:
#   the exit code is 0, and standard output and all files are those of an undisturbed process;
#   the exit code is 2, and standard error has a sentence.
# (faults.sh tests whether the command can be resumed, at the first and the last allocation of each place.) Prints what
# did not hold; the last line is "N allocations, F wrong".
set -u
build=$(realpath "$1") all=0 wrong=0
shift
[ $# != 0 ] || set -- ask verify tokens data compare report trace eval train unlearn merge export run
work=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive LC_ALL=C PULSE=$build/pulse-ref
. tests/faults/small.sh
small_make "$work" && small_adapter "$work" > /dev/null || exit 2
for c in "$@"; do
    mkdir "$work/alone" "$work/$c" "$work/every"
    if [ "$c" = report ]; then
        small_words "$work" run out
        (cd "$work/alone" && "${line[@]}" --quiet) && cp -r "$work/alone/out" "$work/$c" || exit 2
    fi
    small_words "$work" "$c" out
    [ "$c" != run ] || line+=(--quiet)                # otherwise it prints durations
    (cd "$work/alone" && "${line[@]}" > stdout 2> "$work/err") || { cat "$work/err"; exit 2; }
    (cd "$work/$c" && PULSE_FAULT_COUNT=$work/count PULSE_FAULT_EVERY=$work/every LD_PRELOAD=$build/fault_alloc.so "${line[@]}" > stdout) &&
        diff -r -x timing.json "$work/alone" "$work/$c" || exit 2
    # Lines "end PROCESS TREE" (fault_alloc.c) have the hashes of the files of undisturbed processes; the hashes of the
    # children in which an allocation failed are compared with them.
    awk '$1 == "end" { tree[$2] = $3; next } { n[NR] = $1; code[NR] = $2; told[NR] = $3; left[NR] = $4; process[NR] = $5 }
        END { for (k in n) if (!(code[k] == 2 && told[k] || code[k] == 0 && left[k] == tree[process[k]])) print n[k], code[k] }' "$work/every/all" |
        sort -n > "$work/wrong"
    while read -r n code; do
        echo "wrong: $c allocation $n: exit code $code; $(tail -n 1 "$work/every/$n.err" 2> /dev/null | cut -c 1-200)"
    done < "$work/wrong"
    n=$(grep -vc end "$work/every/all")
    echo "$c: $n allocations"
    all=$((all + n)) wrong=$((wrong + $(wc -l < "$work/wrong")))
    rm -rf "$work/alone" "${work:?}/$c" "$work/every" "$work/count"
done
echo "$all allocations, $wrong wrong"
[ $wrong = 0 ] && [ $all != 0 ]
