#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh BUILD [PARSER…]: bounded fuzzing of every parser, FUZZ_SECONDS each (20). With libFuzzer where the program was
# linked with it, else with the plain driver. Fails on any crash, and leaves the input in BUILD/fuzz.
set -u
build=$1 seconds=${FUZZ_SECONDS:-20} failed=0
shift
export TMPDIR=$build/fuzz/tmp OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PULSE_POISON=1
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$TMPDIR"
parsers=$(env -u PULSE_FUZZ "$build/fuzz_parsers")
[ $# = 0 ] || parsers=$*
for parser in $parsers; do
    corpus=$build/fuzz/corpus/$parser log=$build/fuzz/$parser.log
    mkdir -p "$corpus"
    export PULSE_FUZZ=$parser PULSE_FUZZ_CORPUS=$corpus
    if nm "$build/fuzz_parsers" | grep -q ' T LLVMFuzzerRunDriver'; then
        "$build/fuzz_parsers" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
            -seed=1 -artifact_prefix="$build/fuzz/crash-$parser-" "$corpus" > "$log" 2>&1
        status=$? what=$(sed -nE 's/^stat::number_of_executed_units: ([0-9]+)/\1 inputs/p' "$log")
    else
        "$build/fuzz_parsers" "$seconds" 1 "$build/fuzz/crash-$parser" "$corpus" > "$log" 2>&1
        status=$? what=$(tail -n 1 "$log")
    fi
    if [ $status = 0 ]; then
        printf 'ok      %-14s %s\n' "$parser" "$what"
    else
        printf 'FAILED  %-14s status %s; the input is %s\n' "$parser" "$status" "$(ls "$build"/fuzz/crash-"$parser"* 2> /dev/null | head -n 1)"
        grep -E 'ERROR|runtime error|SUMMARY|^    #[0-9] ' "$log" | head -n 14
        failed=1
    fi
done
rm -rf "$TMPDIR"
exit $failed
