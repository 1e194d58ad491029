#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ref/python/pulse.py on the library of this build, where python3 and numpy are there: binding.py holds the checks, and examples.py runs
# what docs/api-python.md shows.
# The sanitizers' runtime must be the first library of a process, so that Python cannot load a library that was built with them.
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
