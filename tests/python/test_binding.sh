#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ref/python/pulse.py with the library of this build, if python3 and numpy are installed: binding.py has the checks, and
# examples.py runs the examples of docs/api-python.md. A build with sanitizers is skipped, because their runtime must be
# the first library of a process, so Python cannot load such a build.
BUILD=${BUILD:-build}
export PULSEREF_LIBRARY=$PWD/$BUILD/libpulseref.so.0
whole="pulse.py gives the recorded answers and refuses bad input"
if ! python3 -c 'import numpy' 2> /dev/null; then
    echo "ok 1 - $whole # SKIP there is no python3 with numpy"
elif nm -D "$PULSEREF_LIBRARY" | grep -q __asan_; then
    echo "ok 1 - $whole # SKIP this build has sanitizers"
else
    export PYTHONDONTWRITEBYTECODE=1
    python3 tests/python/binding.py && python3 tests/python/examples.py
fi
