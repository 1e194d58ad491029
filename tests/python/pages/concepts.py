# SPDX-License-Identifier: MIT
"""The sum of three numbers that docs/concepts.md works out."""
from exact import Q, U, digits, f32, hexed, last_bit, show

TERMS = ("1.1", "2.2", "3.3")


def loop(x):
    total = 0.0
    for v in x:
        total = f32(Q(total) + Q(v))
    return total


def numbers(x): return ["%-5s is, in fp32,     %s" % (name, digits(Q(v), 25)) for name, v in zip(TERMS, x)]


def orders(x):
    """The sum in fp32, added from the left and from the right."""
    return ["(%s + %s) + %s =      %-12s %s" % (*TERMS, show(loop(x)), hexed(loop(x))),
            "(%s + %s) + %s =      %-12s %s" % (*TERMS[::-1], show(loop(x[::-1])), hexed(loop(x[::-1])))]


def rounded(x): return last_bit(sum(map(Q, x)), 3 * U * sum(abs(Q(v)) for v in x))


def blocks():
    x = [f32(Q(t)) for t in TERMS]
    return {f.__name__: f(x) for f in (numbers, orders, rounded)}
