# SPDX-License-Identifier: MIT
"""Exact numbers for the pages of docs/: fp32 values and their neighbours, sums as fractions, exponentials to 60 digits. It needs
only Python's standard library."""
import decimal
import fractions
import json
import math
import struct

decimal.getcontext().prec = 60
Q = fractions.Fraction
U = Q(1, 1 << 53)                                       # half of the spacing of doubles between 1 and 2


def f32(x):
    """The nearest fp32 value of a fraction, a decimal or a double, ties to even. The value is a Python float."""
    x = Q(x)
    if x == 0:
        return 0.0
    top = math.floor(math.log2(abs(x)) if abs(x) > Q(1, 1 << 900) else -900) + 2
    while Q(2) ** top > abs(x):
        top -= 1
    unit = Q(2) ** (max(top, -126) - 23)
    return float(round(x / unit) * unit)


def step(x, up):
    """The next larger fp32 value if `up`, else the next smaller one."""
    bits = struct.unpack("<i", struct.pack("<f", x))[0]
    return struct.unpack("<f", struct.pack("<i", bits + (1 if (x > 0) == up else -1)))[0]


def show(x):
    """The shortest decimal that is this fp32 value and no other."""
    for digits in range(1, 10):
        text = "%.*g" % (digits, x)
        if struct.pack("<f", float(text)) == struct.pack("<f", x):
            break
    return text if "e" not in text or abs(x) < 1e-4 else repr(float(text))


def hexed(x): return "0x%08x" % struct.unpack("<I", struct.pack("<f", x))[0]


def digits(x, n):
    """A fraction as a decimal of n significant digits."""
    with decimal.localcontext() as c:
        c.prec = n
        return str(decimal.Decimal(x.numerator) / decimal.Decimal(x.denominator)) if isinstance(x, Q) else str(+x)


def fraction_of(x): return Q(*decimal.Decimal(x).as_integer_ratio())
def root(x): return fraction_of((decimal.Decimal(x.numerator) / decimal.Decimal(x.denominator)).sqrt())
def exponential(x): return fraction_of((decimal.Decimal(Q(x).numerator) / decimal.Decimal(Q(x).denominator)).exp())


def named(x, n, nearest):
    """An fp32 value with n digits and with its bits."""
    return "%-*s  %s%s" % (n + 3, digits(Q(x), n), hexed(x), "  is the nearest" if x == nearest else "")


def last_bit(exact, bound, n=24):
    """Lines about an exact value: the fp32 values beside it, its distance from the middle between them, and the bound."""
    y = f32(exact)
    other = step(y, exact > Q(y))
    low, high = sorted((y, other))
    middle, gap = (Q(y) + Q(other)) / 2, Q(high) - Q(low)
    if f32(exact - bound) != f32(exact + bound):
        raise ValueError("the bound does not decide")
    lines = (("the exact value", digits(exact, n)),
             ("the fp32 number below it", named(low, n, y)),
             ("the fp32 number above it", named(high, n, y)),
             ("half-way between these", digits(middle, n)),
             ("from there to the exact value", "%.4f of the step between them" % (abs(exact - middle) / gap)),
             ("the bound of the binary64 result", "%.1e of that step" % (bound / gap)))
    return ["  %-38s %s" % line for line in lines]


def load(path):
    """{name: (shape, list of numbers)} of a safetensors file."""
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: (v["shape"], list(struct.unpack("<%d%s" % ((v["data_offsets"][1] - v["data_offsets"][0]) // 4, "if"[v["dtype"] == "F32"]),
                                               raw[8 + n:][slice(*v["data_offsets"])]))) for k, v in head.items()}


def save(path, tensors):
    """Writes {name: (shape, list of floats)} as F32."""
    head, blobs, at = {}, [], 0
    for name, (shape, values) in tensors.items():
        blobs.append(struct.pack("<%df" % len(values), *values))
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(head).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def row(tensor, r):
    shape, values = tensor
    width = shape[-1]
    return values[r * width:(r + 1) * width]
