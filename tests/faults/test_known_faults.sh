#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faults that once ended as a success with wrong files, without a sentence, or with a sentence that is not true.
. tests/support/tap.sh
. tests/faults/small.sh
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1        # leaks cannot be looked for in a process that is traced
small_make "$tap_folder" || exit 2
fault() { "$BUILD/fault_call" "$@"; }
sentence() { [ "$(grep -c '^pulse-ref: .\{12\}' "$tap_folder/wrong")" -ge 1 ] || { cat "$tap_folder/wrong"; echo "no sentence"; false; }; }
# calls KIND command…: how many it makes.
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
check "a stage whose process cannot be started is a sentence" no_process 1
check "so it is of a later stage" no_process 3

"${run[@]}" --out "$tap_folder/r" || exit 2
# The part of a snapshot's file was once taken for a folder that does not belong there.
power() {
    PULSE_FAULT_FOLDER=$tap_folder/p fault fsync 3 power "${run[@]}" --out "$tap_folder/p"
    "${run[@]}" --out "$tap_folder/p" --resume && diff -qr -x timing.json -x '*.lock' "$tap_folder/r" "$tap_folder/p"
}
check "a run goes on after a power cut in the middle of a snapshot" power
# New folders once were not synced into their parents, so that all that was written into them could be lost after exit code 0.
survives() {
    small_words "$tap_folder" "$1" "$tap_folder/new/a/b" && "${line[@]}" --quiet > "$tap_folder/whole" || return
    rm -rf "$tap_folder/kept" && mv "$tap_folder/new" "$tap_folder/kept"
    PULSE_FAULT_FOLDER=$tap_folder/new fault fsync 1000000 names "${line[@]}" --quiet > "$tap_folder/cut" && cmp "$tap_folder/whole" "$tap_folder/cut" &&
        diff -r -x timing.json -x '*.lock' "$tap_folder/kept" "$tap_folder/new" && rm -r "$tap_folder/new"
}
small_adapter "$tap_folder" || exit 2
for c in train unlearn run merge export eval; do
    check "a power cut after the end of $c takes nothing, of new folders in new folders either" survives $c
done
report=("$PULSE" report "$tap_folder/r" --world "$tap_folder/world" --quiet)
"${report[@]}" && cp "$tap_folder/r/report.html" "$tap_folder/page"
unread() {
    local kind n status all=0 kinds="open read mmap stat"
    case $BUILD in *san*) kinds="open read stat" ;; esac                # a sanitizer's own mmap fails, too
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
check "a report leaves nothing out that it cannot read" unread

# readdir returns NULL at the end of a folder and where reading it failed.
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
check "a folder that cannot be read to its end is no smaller folder" half_read compare
check "so it is with the stages of a run" half_read run

full_disk() {
    local n model=("$PULSE" export --bf16 --quiet --model "$tap_folder/model" --out "$tap_folder/e")
    for n in $(seq "$(calls write "${model[@]}")"); do
        rm -rf "$tap_folder/e"
        ends 2 fault write "$n" fail "${model[@]}" 2> "$tap_folder/wrong" && sentence && grep -qE 'No space left|an earlier write to it failed' "$tap_folder/wrong" || return
    done
}
check "a full disk is told with its reason, which is never \"Success\"" full_disk

log_lost() {
    local n model=("$PULSE" unlearn --config "$tap_folder/unlearn.ini" --model "$tap_folder/model" --method grad_diff --quiet --out "$tap_folder/u")
    for n in $(seq "$(calls write "${model[@]}")"); do
        rm -rf "$tap_folder/u"
        ends 2 fault write "$n" fail "${model[@]}" 2> "$tap_folder/wrong" && sentence || return
    done
}
check "a line of a log that is not written ends an unlearning" log_lost

threads() {
    ends 2 env OMP_NUM_THREADS=40000 "$PULSE" ask --model "$tap_folder/model" "who ?" 2> "$tap_folder/wrong" && sentence &&
        grep -q 'expected at most' "$tap_folder/wrong"
}
few() {
    (ulimit -v 700000 && ends 2 env OMP_NUM_THREADS=300 "$PULSE" ask --model "$tap_folder/model" "who ?" 2> "$tap_folder/wrong") && sentence &&
        grep -q 'cannot be started' "$tap_folder/wrong"
}
check "a number of threads that nobody has is refused" threads
case $BUILD in
*san*)
    skip "threads that cannot be started are a sentence" "sanitizers need the address space"
    skip "data shows all of a sample" "a sanitizer's library must be the first that is loaded"
    ;;
*)
    check "threads that cannot be started are a sentence" few
    # A text in memory whose last allocation failed was once taken for an empty one, by report, too.
    check "data shows all of a sample, whichever allocation fails, or says that memory ran out" bash tests/faults/every_alloc.sh "$BUILD" data
    ;;
esac
finish
