#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A sample of the faults of `make crash`: the first thirty in the order of a fixed seed, or fewer if they take longer
# than PULSE_FAULT_SECONDS. The number is fixed, so that all machines that are fast enough test the same faults.
. tests/support/tap.sh
name="after a fault, a command ends with exit code 2 and a sentence, or with the same bytes as an undisturbed one"
if [ ! -x "$BUILD/fault_call" ] || ! "$BUILD/fault_call" write 0 fail true 2> /dev/null; then
    skip "$name" "this machine does not let a process be traced"
elif case $BUILD in *san*) true ;; *) false ;; esac; then
    skip "$name" "sanitizers bring their own allocator"
else
    check "$name" bash tests/faults/faults.sh "$BUILD" "${PULSE_FAULT_SECONDS:-60}" 1 30
fi
finish
