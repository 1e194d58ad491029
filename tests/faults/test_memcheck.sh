#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind's memcheck on small commands: no decision depends on uninitialised memory, and no memory leaks.
. tests/support/tap.sh
. tests/faults/small.sh
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
commands=(tokens ask unlearn)
watched() {
    valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes "$@"
}
why=
if case $BUILD in *san*) true ;; *) false ;; esac; then
    why="sanitizers check memory themselves"
elif ! command -v valgrind > /dev/null; then
    why="valgrind is not installed"
elif watched "$PULSE" --version > /dev/null 2>&1; [ $? = 132 ]; then
    why="valgrind does not know the instructions of this build"
fi
[ -n "$why" ] || small_make "$tap_folder" || exit 2
for c in "${commands[@]}"; do
    name="$c uses no uninitialised memory and leaks none"
    [ -z "$why" ] || { skip "$name" "$why"; continue; }
    small_words "$tap_folder" "$c" "$tap_folder/$c"
    check "$name" watched "${line[@]}" --quiet
done
finish
