#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run_tests.sh BUILD [NAME…]: runs every test_*.c program and every test_*.sh below tests/ (or those named), a few at a
# time. Prints one line for each program, and what failed; the last line is "N passed, N failed", with ", N skipped" if
# tests were skipped. Fails if a test failed or if none ran.
#
# A test program speaks TAP: "ok 1 - name", "not ok 2 - name", "… # SKIP". A program that dies, that ends with an
# error without naming a failed test, or that names no test, counts as one failure.
set -u
build=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
jobs=$(nproc 2>/dev/null || echo 2)
export PULSE=$build/pulse-ref BUILD=$build
export CMOCKA_MESSAGE_OUTPUT=TAP OMP_WAIT_POLICY=passive OMP_DYNAMIC=false LC_ALL=C
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} PULSE_POISON=${PULSE_POISON:-1}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:allocator_may_return_null=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-ignore_noninstrumented_modules=1:die_after_fork=0}   # BLAS has no checks; a forked child starts its own threads
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT

# Programs first, then scripts, each in the order of its name.
sources=$(find tests -name 'test_*.c' -o -name 'test_*.sh' | sed -E 's|(.*/)([^/]+)\.(c\|sh)$|\3 \2 &|' | LC_ALL=C sort | cut -d' ' -f3)
if [ $# != 0 ]; then
    named=
    for name in "$@"; do
        source=$(printf '%s\n' "$sources" | grep -E "/${name%.*}\.(c|sh)$") || { echo "run_tests.sh: there is no test $name below tests/" >&2; exit 2; }
        named="$named $source"
    done
    sources=$named
fi

run_one() {
    name=$(basename "${1%.*}")
    command=("$BUILD/$name")
    [ "${1%.sh}" != "$1" ] && command=(bash "$1")
    start=$(date +%s%N)
    timeout "${PULSE_TEST_SECONDS:-600}" "${command[@]}" > "$2/$name.tap" 2> "$2/$name.err"
    status=$?
    skipped=$(grep -cE '^(not )?ok .*# SKIP' "$2/$name.tap")
    failed=$(grep -E '^not ok ' "$2/$name.tap" | grep -cv '# SKIP')
    passed=$(grep -E '^ok ' "$2/$name.tap" | grep -cv '# SKIP')
    word=ok
    if [ $((passed + skipped + failed)) = 0 ] || { [ "$failed" = 0 ] && [ $status != 0 ]; }; then
        failed=$((failed + 1))
        echo "# $name ended with status $status$([ $status = 124 ] && echo ' (too slow)') after naming $passed passed tests" >> "$2/$name.err"
    fi
    [ "$failed" = 0 ] || word=FAILED
    seconds=$((($(date +%s%N) - start) / 1000000))
    printf '%-7s%-26s %4d passed%s%s %6d.%03d s\n' "$word" "$name" "$passed" "$([ "$failed" != 0 ] && echo ", $failed failed")" \
        "$([ "$skipped" != 0 ] && echo ", $skipped skipped")" $((seconds / 1000)) $((seconds % 1000))
    echo "$passed $failed $skipped" > "$2/$name.count"
    if [ "$failed" != 0 ]; then
        { echo "---- $name"; grep -vE '^ok |^1\.\.' "$2/$name.tap"; cat "$2/$name.err"; } | head -n 120
    fi
}
export -f run_one

printf '%s\n' $sources | xargs -P "$jobs" -I{} bash -c 'run_one "$1" "$2"' _ {} "$out"

cat "$out"/*.count 2>/dev/null | awk '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        printf "%d passed, %d failed", passed, failed
        if (skipped) printf ", %d skipped", skipped
        print ""
        exit failed > 0 || passed == 0
    }'
