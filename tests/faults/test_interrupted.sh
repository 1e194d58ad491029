#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a terminal or a system may do to a command: Ctrl-C, SIGTERM and SIGHUP in the middle, closed streams, and the
# same command twice at once. In the end, its files have the bytes of an undisturbed command.
. tests/support/tap.sh
. tests/faults/small.sh
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1        # a traced process cannot be searched for leaks
small_make "$tap_folder" && small_adapter "$tap_folder" > /dev/null || exit 2
words() { small_words "$tap_folder" "$1" "$tap_folder/$2" "${@:3}" && line+=(--quiet); }   # words COMMAND FOLDER [--resume]
same() { diff -r -x timing.json -x '*.lock' -x '*.part-*' "$tap_folder/$1" "$tap_folder/$2"; }
for c in train run unlearn export; do
    words $c $c
    "${line[@]}" > "$tap_folder/out" || exit 2
done

# goes_on COMMAND SIGNAL N: the signal comes at the N-th fsync. `int` goes to all processes, as from Ctrl-C; `term` and
# `hup` go to the first process alone, as from a system that stops a service or from a terminal that is closed.
goes_on() {
    rm -rf "$tap_folder/stopped"
    words "$1" stopped
    ends $((128 + $(kill -l "${2^^}"))) "$BUILD/fault_call" fsync "$3" "$2" "${line[@]}" || return
    words "$1" stopped --resume
    "${line[@]}" && same "$1" stopped
}
if [ ! -x "$BUILD/fault_call" ] || ! "$BUILD/fault_call" write 0 fail true 2> /dev/null; then
    skip "a command goes on after a signal" "this machine does not let a process be traced"
else
    for signal in int term hup; do
        check "a training goes on after SIG${signal^^}" goes_on train $signal 14
        check "a run that SIG${signal^^} ended goes on" goes_on run $signal 30
    done
fi

closed() {
    rm -rf "$tap_folder/closed"
    words "$1" closed
    "${line[@]}" < /dev/null <&- >&- 2>&-
    [ $? = "$2" ] && same "$1" closed
}
for c in train run unlearn export; do
    check "$c writes the right files although its standard streams are closed" closed $c 0
done
told() { ends 2 "$PULSE" list ops >&- 2> "$tap_folder/told" && [ "$(grep -c '^pulse-ref: standard output ' "$tap_folder/told")" = 1 ]; }
check "a closed stdout is reported if results should go there" told

# Two commands at once: one ends with 0; the other with 0, or with 2 and a sentence. The files are those of one command.
twice() {
    local first status=0
    rm -rf "$tap_folder/twice"
    words "$1" twice
    "${line[@]}" > /dev/null 2> "$tap_folder/first" &
    "${line[@]}" > /dev/null 2> "$tap_folder/second" || status=$?
    wait $!
    first=$?
    [ $first = 0 ] || { [ $first = 2 ] && [ $status = 0 ] && grep -q '^pulse-ref: .\{12\}' "$tap_folder/first"; } || return
    [ $status = 0 ] || { [ $status = 2 ] && grep -q '^pulse-ref: .\{12\}' "$tap_folder/second"; } || return
    same "$1" twice
}
for c in train run unlearn; do
    check "$c, started twice at once in one folder, makes the files of one command" twice $c
done
finish
