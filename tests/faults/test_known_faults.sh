#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faults that an earlier version did not handle: it reported success although files were wrong, or it printed no
# sentence or a false one.
. tests/support/tap.sh
. tests/faults/small.sh
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1        # a traced process cannot be searched for leaks
small_make "$tap_folder" || exit 2
fault() { "$BUILD/fault_call" "$@"; }
sentence() { [ "$(grep -c '^pulse-ref: .\{12\}' "$tap_folder/wrong")" -ge 1 ] || { cat "$tap_folder/wrong"; echo "no sentence"; false; }; }
# calls KIND COMMAND…: prints how many calls of this kind the command makes.
calls() { fault "$1" 0 fail "${@:2}" 2>&1 > /dev/null | sed -n "s/^calls: $1 //p"; }

if [ ! -x "$BUILD/fault_call" ] || ! fault write 0 fail true 2> /dev/null; then
    skip "known faults" "this machine does not let a process be traced"
    finish
fi

run=("$PULSE" run "$tap_folder/run.ini" --quiet --threads 1)
no_process() {
    rm -rf "$tap_folder/r"
    ends 2 fault exec "$1" fail "${run[@]}" --out "$tap_folder/r" 2> "$tap_folder/wrong" && sentence && grep -q 'could not be started' "$tap_folder/wrong"
}
check "a stage whose process cannot be started is reported" no_process 1
check "a later stage whose process cannot be started is reported too" no_process 3

"${run[@]}" --out "$tap_folder/r" || exit 2
# An earlier version refused to go on: it took the partly written file of a snapshot for a folder that does not belong
# to the run.
power() {
    PULSE_FAULT_FOLDER=$tap_folder/p fault fsync 3 power "${run[@]}" --out "$tap_folder/p"
    "${run[@]}" --out "$tap_folder/p" --resume && diff -qr -x timing.json -x '*.lock' "$tap_folder/r" "$tap_folder/p"
}
check "a run goes on after a power cut in the middle of a snapshot" power
# An earlier version did not sync new folders into their parents: after exit code 0, all their files could be lost.
survives() {
    small_words "$tap_folder" "$1" "$tap_folder/new/a/b" && "${line[@]}" --quiet > "$tap_folder/whole" || return
    rm -rf "$tap_folder/kept" && mv "$tap_folder/new" "$tap_folder/kept"
    PULSE_FAULT_FOLDER=$tap_folder/new fault fsync 1000000 names "${line[@]}" --quiet > "$tap_folder/cut" && cmp "$tap_folder/whole" "$tap_folder/cut" &&
        diff -r -x timing.json -x '*.lock' "$tap_folder/kept" "$tap_folder/new" && rm -r "$tap_folder/new"
}
small_adapter "$tap_folder" || exit 2
for c in train unlearn run merge export eval; do
    check "after a power cut at the end of $c no file is lost, even in nested new folders" survives $c
done
report=("$PULSE" report "$tap_folder/r" --world "$tap_folder/world" --quiet)
"${report[@]}" && cp "$tap_folder/r/report.html" "$tap_folder/page"
unread() {
    local kind n status all=0 kinds="open read mmap stat"
    case $BUILD in *san*) kinds="open read stat" ;; esac               # the sanitizer's own mmap would fail too
    for kind in $kinds; do
        for n in $(seq "$(calls $kind "${report[@]}")"); do
            rm -f "$tap_folder/r/report.html"
            fault $kind "$n" fail "${report[@]}" > /dev/null 2> "$tap_folder/wrong"
            status=$? all=$((all + 1))
            { [ $status = 0 ] && cmp "$tap_folder/page" "$tap_folder/r/report.html"; } ||
                { [ $status = 2 ] && sentence && { [ ! -e "$tap_folder/r/report.html" ] || cmp "$tap_folder/page" "$tap_folder/r/report.html"; }; } || { echo "$kind $n: $status"; return 1; }
        done
    done
    [ $all -gt 20 ]
}
check "a report that cannot read a file is refused, or is complete" unread

# readdir returns NULL both at the end of a folder and when reading fails.
half_read() {
    local n all
    small_words "$tap_folder" "$1" "$tap_folder/r" --resume
    all=$(calls list "${line[@]}")
    for n in $(seq "$all"); do
        fault list "$n" fail "${line[@]}" > "$tap_folder/cut" 2> "$tap_folder/wrong" ||
            { [ $? = 2 ] && sentence && grep -q 'cannot be read' "$tap_folder/wrong"; } || { echo "$n: no sentence"; return 1; }
        [ -s "$tap_folder/wrong" ] || [ "$1" != compare ] || { echo "$n of $all: success"; return 1; }
    done
    [ "$all" -ge 4 ]
}
check "compare reports a folder that cannot be read to its end" half_read compare
check "run succeeds, or reports a folder of stages that cannot be read to its end" half_read run

full_disk() {
    local n model=("$PULSE" export --bf16 --quiet --model "$tap_folder/model" --out "$tap_folder/e")
    for n in $(seq "$(calls write "${model[@]}")"); do
        rm -rf "$tap_folder/e"
        ends 2 fault write "$n" fail "${model[@]}" 2> "$tap_folder/wrong" && sentence && grep -qE 'No space left|an earlier write to it failed' "$tap_folder/wrong" || return
    done
}
check "a full disk is reported with its reason, which is never \"Success\"" full_disk

log_lost() {
    local n model=("$PULSE" unlearn --config "$tap_folder/unlearn.ini" --model "$tap_folder/model" --method grad_diff --quiet --out "$tap_folder/u")
    for n in $(seq "$(calls write "${model[@]}")"); do
        rm -rf "$tap_folder/u"
        ends 2 fault write "$n" fail "${model[@]}" 2> "$tap_folder/wrong" && sentence || return
    done
}
check "unlearn ends with an error if a line of its log cannot be written" log_lost

threads() {
    ends 2 env OMP_NUM_THREADS=40000 "$PULSE" ask --model "$tap_folder/model" "who ?" 2> "$tap_folder/wrong" && sentence &&
        grep -q 'expected at most' "$tap_folder/wrong"
}
few() {
    (ulimit -v 700000 && ends 2 env OMP_NUM_THREADS=300 "$PULSE" ask --model "$tap_folder/model" "who ?" 2> "$tap_folder/wrong") && sentence &&
        grep -q 'cannot be started' "$tap_folder/wrong"
}
check "an impossible number of threads is refused" threads
case $BUILD in
*san*)
    skip "threads that cannot be started are reported" "sanitizers need the address space"
    skip "data shows a sample completely" "a sanitizer's library must be the first that is loaded"
    ;;
*)
    check "threads that cannot be started are reported" few
    # In an earlier version, data and report left a text empty if its last allocation failed, and did not say so.
    check "whichever allocation fails, data shows a sample completely or reports that memory ran out" bash tests/faults/every_alloc.sh "$BUILD" data
    ;;
esac
finish
