#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# faults.sh BUILD SECONDS [SEED [MOST [COMMAND…]]]: disturbs small commands, with one fault at a time, for SECONDS and
# with at most MOST faults (each 0: no limit). The faults:
#   the n-th system call of a kind fails, or is cut short (fault_call.c);
#   at the n-th system call of a kind, the command is killed or the power is cut (fault_call.c);
#   the power is cut right after the end of the command;
#   an allocation fails, in any process of the command: the first and the last of each place in the code
#   (in every_alloc.sh each of them fails).
# After each fault, one of three things must hold:
#   the exit code, standard output and all files are those of an undisturbed run;
#   the exit code is 2, standard error has a sentence, and the same command, given again, makes the undisturbed files;
#   the command was killed, and the same command, given again, makes the undisturbed files.
# The order is: the first call of every place in the code (fault_call.c defines a place), then the last one of each,
# then all others (of allocations, no others). SEED shuffles each of these three parts. Prints what did not hold; the
# last line is "N faults, F wrong", and the exit code is 0 if F = 0 and N > 0. FAULT_ACTIONS, such as "power names",
# selects actions; FAULT_JOBS faults run in parallel.
set -u
build=$(realpath "$1") seconds=$2 seed=${3:-1} most=${4:-0} jobs=${FAULT_JOBS:-$(nproc)}
work=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export build work OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive LC_ALL=C PULSE=$build/pulse-ref
. tests/faults/small.sh
small_make "$work" || exit 2
commands="train unlearn run merge export eval ask verify"
[ $# -lt 5 ] || commands=${*:5}

# words COMMAND FOLDER [AGAIN]: sets `line` to the command that writes to FOLDER, or that resumes there.
words() { small_words "$work" "$1" "$2" ${3:+--resume}; case $1 in ask | verify) ;; *) line+=(--quiet) ;; esac; }
same_files() { [ "$1" = ask ] || [ "$1" = verify ] || diff -qr -x '*.part-*' -x '*.lock' -x timing.json "$work/$1.out" "$2" > /dev/null; }
resumed() {                                        # resumed COMMAND FOLDER WORKER-FOLDER: gives the command again
    words "$1" "$2" again
    timeout 60 "${line[@]}" > "$3/again" 2>&1
    [ $? = "${want[$1]}" ] && same_files "$1" "$2"
}
one() {                                            # one COMMAND KIND N ACTION: makes one fault, and judges its effect
    local at=$work/worker-$BASHPID status good=false
    mkdir "$at"
    words "$1" "$at/out"
    if [ "$2" = alloc ]; then
        PULSE_FAULT_COUNT=$at/count PULSE_FAULT_ALLOC=$3 LD_PRELOAD=$build/fault_alloc.so timeout 60 "${line[@]}" \
            > "$at/stdout" 2> "$at/stderr"
    else
        PULSE_FAULT_FOLDER=$at/out timeout 60 "$build/fault_call" "$2" "$3" "$4" "${line[@]}" > "$at/stdout" 2> "$at/stderr"
    fi
    status=$?
    if [ $status = "${want[$1]}" ] && cmp -s "$at/stdout" "$work/$1.stdout" && same_files "$1" "$at/out"; then
        good=true
    elif [ $status = 2 ]; then
        grep -q '^pulse-ref: .\{12\}' "$at/stderr" && resumed "$1" "$at/out" "$at" && good=true
    elif [ $status = 137 ] && [[ $4 = kill || $4 = tear || $4 = power || $4 = names ]]; then
        resumed "$1" "$at/out" "$at" && good=true
    fi
    $good || echo "wrong: $*: exit code $status; $(tail -n 1 "$at/stderr" | cut -c 1-200);" \
        "again: $(tail -n 1 "$at/again" 2> /dev/null | cut -c 1-200)"
    echo "$1 $2 $4 $good" >> "$work/done"
    rm -rf "$at"
}
some() {                                           # some COMMAND KIND N ACTION …: several faults
    local c
    declare -A want
    for c in $commands; do want[$c]=$(< "$work/$c.want"); done
    for (( ; $# > 3; )); do
        [ "$seconds" = 0 ] || [ "$(date +%s)" -lt "$until" ] || exit 255
        one "$1" "$2" "$3" "$4"
        shift 4
    done
}
export -f small_words words same_files resumed one some
export commands seconds until=$(($(date +%s) + seconds))

# Runs the commands undisturbed, and lists their calls; then orders the faults in the three parts.
small_adapter "$work" > "$work/stderr" 2>&1 || { cat "$work/stderr"; exit 2; }
for c in $commands; do
    words "$c" "$work/$c.out"
    "${line[@]}" > "$work/$c.stdout" 2> "$work/stderr"
    echo $? > "$work/$c.want"
    [ "$(< "$work/$c.want")" = 0 ] || { echo "$c ends with $(< "$work/$c.want"): $(< "$work/stderr")"; exit 2; }
    words "$c" "$work/count"
    PULSE_FAULT_SITES=$work/sites "$build/fault_call" write 0 fail "${line[@]}" > /dev/null 2>&1
    rm -rf "$work/count"
    # the command does not reach the last fsync of this list: the power is cut right after its end
    awk -v c="$c" '{ print c, $1, $2, $3; n += $1 == "fsync" } END { print c, "fsync", n + 1, "end" }' "$work/sites"
    case $c in ask | verify) continue ;; esac
    rm -f "$work/sites" "$work/counter"
    PULSE_FAULT_COUNT=$work/counter PULSE_FAULT_SITES=$work/sites LD_PRELOAD=$build/fault_alloc.so setarch -R "${line[@]}" > /dev/null 2>&1
    rm -rf "$work/count"
    awk -v c="$c" '{ print c, "alloc", $1, $2 }' "$work/sites"
done > "$work/calls"
awk -v x=$((seed % 100000 + 1)) -v only="${FAULT_ACTIONS:-}" '
    { place = $1 " " $2 " " $4; calls[NR] = $1 " " $2 " " $3; site[NR] = place; if (!(place in first)) first[place] = NR; last[place] = NR }
    END {
        for (k = 1; k <= NR; k++) {
            part = first[site[k]] == k ? 1 : last[site[k]] == k ? 2 : 3
            if (site[k] ~ /end$/) { put(1, calls[k], "names"); continue }
            split(calls[k], w, " ")
            if (part == 3 && w[2] == "alloc") continue
            put(part, calls[k], "fail")
            if (w[2] != "alloc") put(part, calls[k], "kill")
            if (w[2] == "write") put(part, calls[k], "tear")
            if (w[2] == "write" || w[2] == "read") put(part, calls[k], "cut")
            if (w[2] == "write" || w[2] == "fsync" || w[2] == "rename") put(part, calls[k], "power")
            if (w[2] == "fsync" || w[2] == "rename") put(part, calls[k], "names")
        }
    }
    function put(part, call, action) {
        x = x * 16807 % 2147483647
        if (only == "" || index(" " only " ", " " action " ")) print part, x, call, action
    }
    ' "$work/calls" | sort -n -k 1,1 -k 2,2 > "$work/all"
[ "$most" = 0 ] || sed -i "$most q" "$work/all"
echo "$(wc -l < "$work/all") possible, of which $(grep -c '^1' "$work/all") are the first of their place" \
    "and $(grep -c '^2' "$work/all") the last"
cut -d ' ' -f 3- "$work/all" | xargs -P "$jobs" -n 40 bash -c 'some "$@"' _ 2> /dev/null
while compgen -G "$work/worker-*" > /dev/null; do sleep 0.1; done     # when the time is over, xargs does not wait for running workers
touch "$work/done"
sort "$work/done" | awk '
    { n[$1 " " $2]++; all++; wrong += $4 != "true"; killed += $3 ~ /^(kill|tear|power|names)$/ }
    END {
        for (k in n) print k, n[k] | "sort"
        close("sort")
        printf "%d kill points\n%d faults, %d wrong\n", killed, all, wrong
        exit wrong > 0 || !all
    }'
