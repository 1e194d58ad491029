#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The exercises of docs/course.md and their solutions, if python3 and numpy are installed: see check_course.py.
if ! python3 -c 'import numpy' 2> /dev/null; then
    echo "ok 1 - the solutions of the course pass # SKIP there is no python3 with numpy"
else
    PYTHONDONTWRITEBYTECODE=1 python3 tests/python/check_course.py
fi
