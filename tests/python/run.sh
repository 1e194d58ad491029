#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD [NAME…]: runs tests/python/check_*.py (or those named). Each check names its environments in a line:
#
#     # environments: 5 4        build/venv/5 and build/venv/4 (make venv); "plain" is the Python that the Makefile calls
#
# A check is skipped, with a line that says so, if its environment is missing or if PULSE_ALL_SECONDS are over. A check
# that takes longer than PULSE_TEST_SECONDS fails. The last line is "N passed, N failed, N skipped"; a file check_*.py
# counts once for each line "ok" or "not ok" that it prints. The script fails if anything failed or nothing passed.
set -u
export BUILD=$1 PULSE=$1/pulse-ref PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=passive LC_ALL=C.UTF-8
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 TOKENIZERS_PARALLELISM=false
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT
[ $# != 0 ] || set -- tests/python/check_*.py
passed=0 failed=0 skipped=0 all=${PULSE_ALL_SECONDS:-86400} each=${PULSE_TEST_SECONDS:-900}
for check in "$@"; do
    [ -e "$check" ] || check=tests/python/${check%.py}.py
    places=$(sed -n 's/^# environments: //p' "$check")
    [ -n "$places" ] || { echo "run.sh: $check names no environment" >&2; exit 2; }
    for place in $places; do
        python=build/venv/$place/bin/python name="$(basename "$check" .py) in $place"
        [ "$place" = plain ] && python=${PYTHON:-python3}
        if ! "$python" -c 'import numpy' 2> /dev/null; then
            echo "skipped $name: there is no such environment with numpy (make venv)"
            skipped=$((skipped + 1))
            continue
        fi
        began=$SECONDS seconds=$((all - SECONDS))
        if [ $seconds -le 0 ]; then
            echo "skipped $name: the $all seconds of all checks are over"
            skipped=$((skipped + 1))
            continue
        fi
        timeout $((seconds < each ? seconds : each)) "$python" "$check" > "$out/tap" 2> "$out/err"
        status=$?
        good=$(grep -E '^ok ' "$out/tap" | grep -cv '# SKIP') bad=$(grep -c '^not ok ' "$out/tap") left=$(grep -cE '^ok .*# SKIP' "$out/tap")
        if [ $status = 124 ] && [ $((SECONDS - began)) -lt "$each" ] && [ "$bad" = 0 ]; then
            status=0 left=$((left + 1))
            echo "skipped the rest of $name: the $all seconds of all checks are over"
        fi
        if [ "$bad" = 0 ] && { [ $status != 0 ] || [ $((good + left)) = 0 ]; }; then
            bad=1
            echo "# $name ended with status $status" >> "$out/err"
        fi
        passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
        printf '%-7s %-32s %3d passed, %d failed, %d skipped, %4d s\n' "$([ "$bad" = 0 ] && echo ok || echo FAILED)" "$name" "$good" "$bad" "$left" \
            $((SECONDS - began))
        grep '# SKIP' "$out/tap"
        [ "$bad" = 0 ] || { grep -vE '^ok |^1\.\.' "$out/tap"; tail -n 40 "$out/err"; } | head -n 80
    done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
