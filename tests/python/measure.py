# SPDX-License-Identifier: MIT
"""Measures the time of calls from Python: an almost empty call (the sum of two vectors of one element), and a product, which is
compared with the same call in C. Times are the best of many, with one thread. Needs numpy; run it at the root of the project."""
import ctypes
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.environ.get("PULSE_PY", os.path.join("ref", "python")))
import pulse  # noqa: E402


def best(f, repeats, calls):
    """Microseconds of a call: the best of the repeats."""
    def once():
        start = time.perf_counter()
        for _ in range(calls):
            f()
        return (time.perf_counter() - start) / calls * 1e6
    return min(once() for _ in range(repeats))


def by_c(name, *arrays):
    """The C call alone, on arguments that are made beforehand."""
    arguments, alive = pulse._arguments(name, arrays, {})
    out = pulse.op(name, *arrays)
    tensor, context = pulse._pack([out]), pulse._context()
    return lambda: pulse._lib.pulse_op(context, *arguments, tensor) and sys.exit("a call failed: %r" % ((alive, out),))


pulse.configure(threads=1)
one = np.ones(1, np.float32)
x, w = (np.random.default_rng(0).standard_normal((n, 256), np.float32) for n in (600, 256))
print("engine                       %s" % pulse.engine())
print("empty call                   %8.1f us" % best(lambda: pulse.op("add", one, one), 300, 50))
call, turns = by_c("linear", x, w), range(60)
both = [(best(call, 1, 1), best(lambda: pulse.op("linear", x, w), 1, 1)) for _ in turns]       # in alternation, so that both have the same load
c, python = (min(t) for t in zip(*both))
print("linear 600 x 256 x 256, C    %8.1f us" % c)
print("linear 600 x 256 x 256       %8.1f us, %.3f of the C call" % (python, python / c))
