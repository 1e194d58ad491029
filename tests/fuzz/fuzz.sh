#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh BUILD [TARGET…]: fuzzes these targets, or all of tests/fuzz/fuzz_targets.def: each for FUZZ_SECONDS seconds
# (20 if unset), and with at most FUZZ_RUNS inputs if that is set.
# The files to start from are in BUILD/fuzz/corpus/TARGET: those of tests/fuzz/corpus/TARGET.tar.gz, which keep.sh
# wrote; valid files, which the target writes; and what libFuzzer added there before. The script uses libFuzzer if the
# program was linked with it, else the plain driver, fuzz_driver.c. It fails on any crash, and leaves the input in
# BUILD/fuzz. The plain driver also fails if the target accepts none of the files to start from. FUZZ_SECONDS=0 tries
# only these files; but if FUZZ_RUNS is set, the plain driver then tries that many inputs, without a limit of time.
set -u
build=$1 seconds=${FUZZ_SECONDS:-20} runs=${FUZZ_RUNS:-0} failed=0
shift
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PULSE_POISON=1
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
# TMPDIR is in memory if possible, because every input is written to a file there, and our writers flush files to the
# disk.
mkdir -p "$build/fuzz" && TMPDIR=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d -p "$build/fuzz") || exit 2
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
targets=$(env -u PULSE_FUZZ "$build/fuzz_parsers")
[ $# = 0 ] || targets=$*
for target in $targets; do
    corpus=$build/fuzz/corpus/$target log=$build/fuzz/$target.log
    mkdir -p "$corpus"
    [ ! -e "tests/fuzz/corpus/$target.tar.gz" ] || tar -xzf "tests/fuzz/corpus/$target.tar.gz" -C "$corpus" || failed=1
    export PULSE_FUZZ=$target PULSE_FUZZ_CORPUS=$corpus
    if nm "$build/fuzz_parsers" | grep -q ' T LLVMFuzzerRunDriver'; then
        [ "$runs" != 0 ] || runs=-1
        [ "$seconds" != 0 ] || runs=0
        "$build/fuzz_parsers" -max_total_time="$seconds" -runs="$runs" -max_len=65536 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
            -seed=1 -artifact_prefix="$build/fuzz/crash-$target-" "$corpus" > "$log" 2>&1
        status=$? what=$(sed -nE 's/^stat::number_of_executed_units: ([0-9]+)/\1 inputs/p' "$log")
    else
        "$build/fuzz_parsers" "$seconds" "$runs" 1 "$TMPDIR/crash" "$corpus" > "$log" 2>&1
        status=$? what=$(tail -n 1 "$log")
        [ $status = 0 ] || cp "$TMPDIR/crash" "$build/fuzz/crash-$target" 2> /dev/null
    fi
    if [ $status = 0 ]; then
        printf 'ok      %-14s %s\n' "$target" "$what"
    else
        printf 'FAILED  %-14s status %s; the input is %s\n' "$target" "$status" "$(ls "$build"/fuzz/crash-"$target"* 2> /dev/null | head -n 1)"
        grep -E 'ERROR|runtime error|SUMMARY|the error is|^    #[0-9] ' "$log" | head -n 14
        failed=1
    fi
done
exit $failed
