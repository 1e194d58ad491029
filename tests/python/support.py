# SPDX-License-Identifier: MIT
"""Shared by the checks in Python: output in TAP, safetensors files, the recorded vectors."""
import json
import os
import struct
import sys
import traceback

import numpy as np

VECTORS = "fixtures/vectors/v1/"
DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BF16": "<u2"}
_count = _failed = 0


def check(sentence, function):
    """Runs a check; it fails if the function returns False or raises."""
    global _count, _failed
    _count += 1
    try:
        good, said = function() is not False, ""
    except Exception:
        good, said = False, traceback.format_exc()
    _failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", _count, sentence))
    for line in said.splitlines():
        print("# " + line)
    sys.stdout.flush()


def skip(sentence, why):
    global _count
    _count += 1
    print("ok %d - %s # SKIP %s" % (_count, sentence, why))


def finish():
    print("1..%d" % _count)
    sys.exit(_failed > 0)


def raises(kind, part, function):
    """The function must raise a pulse.Error of this kind, whose sentence contains the part."""
    import pulse
    try:
        function()
    except pulse.Error as e:
        if e.kind == kind and part in str(e):
            return True
        raise AssertionError("the error is %r: %s; expected %r with %r" % (e.kind, e, kind, part))
    raise AssertionError("no error, expected %r with %r" % (kind, part))


def same_bits(got, want):
    """Raises unless both arrays have the same type, shape and bytes; so NaNs are compared by their bits."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape, "%s %s, expected %s %s" % (got.dtype, got.shape, want.dtype, want.shape)
    assert got.tobytes() == want.tobytes(), "%d of %d numbers differ" % ((got != want).sum(), got.size)


def load(path):
    """{name: array} of a safetensors file."""
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: np.frombuffer(raw[8 + n:][slice(*v["data_offsets"])], DTYPES[v["dtype"]]).reshape(v["shape"]) for k, v in head.items()}


def save(path, tensors):
    """Writes {name: array} of float32, int32 or uint8 as a safetensors file; nothing is converted."""
    head, at, blobs = {}, 0, []
    for name, x in tensors.items():
        x = np.asarray(x)
        blobs.append(x.tobytes())
        head[name] = {"dtype": {"float32": "F32", "int32": "I32", "uint8": "U8"}[str(x.dtype)], "shape": list(x.shape),
                      "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(head).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def json_of(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def cases(kind):
    """(folder, case.json) of the recorded cases of a kind, in their order."""
    for name in sorted(os.listdir(VECTORS + kind)):
        folder = VECTORS + kind + "/" + name + "/"
        with open(folder + "case.json") as f:
            yield folder, json.load(f)
