#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# No byte of a result depends on a clock. A clock that runs backwards, or jumps by decades between two readings, changes
# only the durations in timing.json. A command that was killed can go on with another clock.
. tests/support/tap.sh
. tests/faults/small.sh
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
if case $BUILD in *san*) true ;; *) false ;; esac; then
    skip "clocks that jump" "a sanitizer's library must be the first that is loaded"
    finish
fi
small_make "$tap_folder" || exit 2
clock() { env "PULSE_FAULT_CLOCK=$1" "LD_PRELOAD=$BUILD/fault_clock.so" "${@:2}"; }
words() { small_words "$tap_folder" "$1" "$tap_folder/$2"; }               # words COMMAND FOLDER
same() { diff -r -x timing.json -x '*.lock' -x '*.part-*' "$tap_folder/$1" "$tap_folder/$2"; }
# The progress that is shown has no impossible time.
shown() { grep -q / "$tap_folder/shown" && ! grep -a -E 'nan|inf|-[0-9]+:|:-|-[0-9.]+/s' "$tap_folder/shown"; }
# No duration is negative, and each finished stage has a duration.
lasted() {
    ! grep -E -- '-[0-9.]+ s' "$tap_folder/out-$1" && [ "$(grep -c '"seconds": [0-9]' "$tap_folder/run-$1/timing.json")" -ge 3 ] &&
        ! grep -E '"seconds": -|finished_before' "$tap_folder/run-$1/timing.json"
}

for c in train unlearn run; do
    words $c $c
    "${line[@]}" --quiet > "$tap_folder/out" || exit 2
    for how in back jump; do
        under() {
            words $c $c-$how
            clock $how "${line[@]}" > "$tap_folder/out-$how" 2> "$tap_folder/shown" && same $c $c-$how && shown
        }
        check "$c with the clock \"$how\" writes the same files" under
        [ $c != run ] || check "the durations of $c with the clock \"$how\" are not negative" lasted $how
    done
done

goes_on() {
    words "$1" "$1-killed"
    rm -rf "$tap_folder/$1-killed"
    clock "$2" "$BUILD/fault_call" fsync "$4" kill "${line[@]}" --quiet
    [ $? = 137 ] && clock "$3" "${line[@]}" --resume --quiet && same "$1" "$1-killed"
}
if [ ! -x "$BUILD/fault_call" ] || ! "$BUILD/fault_call" write 0 fail true 2> /dev/null; then
    skip "a killed command goes on with another clock" "this machine does not let a process be traced"
else
    for n in 5 12 20; do
        check "a training that was killed at its fsync $n goes on with another clock" goes_on train back jump $n
        check "a run that was killed at its fsync $n goes on with another clock" goes_on run jump back $n
    done
fi
finish
