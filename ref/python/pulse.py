# SPDX-License-Identifier: MIT
"""PULSE-ref as functions: every operator, loss, optimiser step and model of the reference implementation, for any input.

    import numpy, pulse
    y = pulse.op("softmax", numpy.array([[1, 2, 3]], numpy.float32))
    pulse.assert_close(my_softmax(x), "softmax", x)

Every result is the float32 number nearest to its formula over the real numbers, so a call gives the same bits on every machine.

Arrays that are given may be of numpy, of torch (on the CPU, whether or not they require a gradient), or of anything that has
`__array__` or `__dlpack__`, such as jax. Arrays that are returned are of numpy and belong to the caller (`torch.from_numpy(y)` shares
their memory). Numbers are never converted in silence: C-contiguous float32 is expected (some inputs of operators may be float16 or
bfloat16, and a picture is uint8), and anything else is an `Error` that says so. There are two exceptions: ids, labels, offsets and
positions may be lists or arrays of any integer type, and are refused if they do not fit int32; and the label -100, which PyTorch
ignores, counts as -1.

bfloat16: numpy has no such type. Arrays of torch and jax are taken as they are; in numpy, `pulse.to_bf16(x)` makes an array of the
type `pulse.BF16`, which holds the 16 bits, and `pulse.from_bf16` widens it.

Threads: any function may be called from several threads at once. A `Trainer`, an `Optimiser` and a `Result` belong to one thread at a
time. After os.fork() the child computes with one thread; the bits are the same.

The module needs numpy and the library libpulseref, which it looks for in this order: the file that the environment variable
PULSEREF_LIBRARY names, the folder pulseref.libs beside this file (as in the wheel), build/ of the checkout, the system's libraries.
The module is longer than 400 lines so that it is one file, which may be copied."""
import ctypes
import json
import os
import re
import struct
import sys
import threading
from collections import namedtuple
from inspect import Parameter, Signature

import numpy as np

__all__ = ["BF16", "Error", "Loss", "Model", "Optimiser", "Part", "Processor", "Prompt", "Result", "Sample", "Score", "Tokenizer",
           "Trainer", "assert_close", "bound", "configure", "engine", "from_bf16", "loss", "methods", "op", "ops", "schedule", "to_bf16",
           "version"]

BF16 = np.dtype([("bf16", "<u2")])
ROLES = ("forget", "retain", "refusal", "alternate", "forget_text", "random")

# --- The library ---

# The functions of pulse.h as name(arguments)result: p is a pointer, s text, n size_t, i int32, l int64, v nothing; no result: a status.
_FUNCTIONS = """
    version()s status_name(i)s open(pp) close(p)v error_text(p)s engine(pp)
    op_count()n op_record(pnp) op(pspnpnpnp) op_shape(pspnpnpnp) op_bound(pspnpnpnpp)
    method_count()n method_record(pnp) loss(pspnpnp) optimiser_step(ppnpnppp) schedule(ppnlp)
    model_open(pssp) model_open_adapters(pspnp) model_close(p)v model_config(ppp) model_parameters(p)n model_parameter(ppnpp)
    result_close(p)v result_count(p)n result_tensor(ppnpp) result_find(ppsp) result_json(ppp)
    forward(pppnp) score(pppnp) generate(pppipnp) trainer_open(psspnsp) trainer_close(p)v trainer_step(pppnp)
    tokenizer_open(psp) tokenizer_close(p)v encode(ppsnipp) decode(pppnip) prompt(ppssssnp)
    processor_open(psp) processor_close(p)v processor_size(pppp) pixels_file(ppspn) pixels_bytes(ppsnpn) pixels_rgb(pppnnpn)"""
_TYPES = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "n": ctypes.c_size_t, "i": ctypes.c_int32, "l": ctypes.c_int64, "v": None,
          "": ctypes.c_int}


def _library():
    here, name, named = os.path.dirname(os.path.abspath(__file__)), "libpulseref.so.0", os.environ.get("PULSEREF_LIBRARY")
    beside = [os.path.join(here, "pulseref.libs", name), os.path.join(here, "..", "..", "build", name)]
    path = named or next(filter(os.path.exists, beside), name)
    try:
        lib = ctypes.CDLL(path)
    except OSError as e:
        raise ImportError("pulse: the library could not be opened (%s); run `make`, or name its file in PULSEREF_LIBRARY" % e) from None
    for name, arguments, result in re.findall(r"(\w+)\((\w*)\)(\w?)", _FUNCTIONS):
        f = getattr(lib, "pulse_" + name)
        f.argtypes, f.restype = [_TYPES[a] for a in arguments], _TYPES[result]
    return lib


_lib = _library()


class Error(Exception):
    """What went wrong, as a sentence; `kind` is "bad input", "no memory", "input or output", "environment" or "undecided"."""

    def __init__(self, sentence, kind=None):
        super().__init__(sentence)
        self.kind = kind or _lib.pulse_status_name(1).decode()


class _Options(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int32), ("memory_limit", ctypes.c_uint64)]


class _Context:
    """The context of one thread."""

    def __init__(self, options):
        self.handle, self.options = ctypes.c_void_p(), options
        status = _lib.pulse_open(ctypes.byref(_Options(*options)), ctypes.byref(self.handle))
        if status:
            raise _failure(self.handle, status)

    def __del__(self):
        _lib.pulse_close(self.handle)


_local, _options = threading.local(), (0, 0)


def _failure(context, status):
    return Error(_lib.pulse_error_text(context).decode(errors="replace"), _lib.pulse_status_name(status).decode())


def _context():
    mine = getattr(_local, "context", None)
    if mine is None or mine.options is not _options:
        mine = _local.context = _Context(_options)
    return mine.handle


def _call(function, *arguments):
    context = _context()
    status = function(context, *arguments)
    if status:
        raise _failure(context, status)


def _text(function, *arguments):
    out = ctypes.c_char_p()
    _call(function, *arguments, ctypes.byref(out))
    return out.value.decode(errors="replace")


class _Handle:
    """An object of the library. It is closed at the end of its `with`, or when Python deletes it."""
    _closing = None

    def __init__(self, opening, *arguments):
        self._handle = ctypes.c_void_p()
        _call(opening, *arguments, ctypes.byref(self._handle))

    def close(self):
        handle, self._handle = self.__dict__.get("_handle"), None
        if handle:
            self._closing(handle)

    def _open(self):
        if not self._handle:
            raise Error("this %s is closed, or was superseded by a later step" % type(self).__name__)
        return self._handle

    def __enter__(self): return self
    def __exit__(self, *_): self.close()
    def __del__(self): self.close()


def version():
    """The version of the library, its soname, and the version of the definition of the bits: "0.1.0 libpulseref.so.0 spec 1"."""
    return _lib.pulse_version().decode()


def engine():
    """Which engine computes large products, as name, version and processor. The bits do not depend on it."""
    return _text(_lib.pulse_engine)


def configure(threads=0, memory_limit=0):
    """From now on each call uses this many threads (0: OMP_NUM_THREADS), and at most this many bytes for its scratch memory, for a
    model, and for the tape of a step (0: no limit)."""
    global _options
    if not (0 <= threads < 2**31 and 0 <= memory_limit < 2**64):
        raise Error("threads is %r and memory_limit %r, expected 0 or more" % (threads, memory_limit))
    _options = (int(threads), int(memory_limit))
    _context()


# --- Arrays ---

_F32 = np.dtype(np.float32)
_DTYPES = [_F32, np.dtype(np.float16), BF16] + [np.dtype(t) for t in (np.float64, np.int64, np.int32, np.uint8)]     # as pulse.h counts
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}
_TENSOR = struct.Struct("<ii4qQ")           # pulse_tensor: dtype, rank, dims, data
_UNUSED_DIMS = [(0,) * (4 - rank) for rank in range(5)]


class _Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("dims", ctypes.c_int64 * 4), ("data", ctypes.c_void_p)]


def to_bf16(x):
    """float32 numbers rounded to bfloat16, to nearest with ties to even: an array of the type BF16. NaN stays NaN."""
    x = _array(x, "x")
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7fff + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)
    return np.where(np.isnan(x), np.uint64(0x7fc0), rounded).astype(np.uint16).reshape(x.shape).view(BF16)


def from_bf16(x):
    """The float32 numbers of an array of the type BF16; exact."""
    x = _array(x, "x", (BF16,))
    return (x.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def _host(x, what):
    """x as an array of numpy over the same memory."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = np.asarray(x)
    elif hasattr(x, "detach") and hasattr(x, "is_contiguous"):
        if x.device.type != "cpu":
            raise Error("%s is on the device %s, expected an array in the memory of the CPU; use x.cpu()" % (what, x.device))
        if not x.is_contiguous():
            raise Error("%s is not contiguous, expected row-major memory without gaps; use x.contiguous()" % what)
        x = x.detach()
        x = x.view(sys.modules["torch"].int16).numpy().view(BF16) if str(x.dtype) == "torch.bfloat16" else x.numpy()
    elif hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
        x = np.asarray(x) if hasattr(x, "__array__") else np.from_dlpack(x)
    else:
        raise Error("%s is of the type %s, expected an array" % (what, type(x).__name__))
    return x.view(np.uint16).view(BF16) if x.dtype.name == "bfloat16" else x


def _array(x, what, dtypes=(_F32,)):
    """x as a C-contiguous array of numpy of one of the types."""
    try:
        x = _host(x, what)
    except (TypeError, BufferError, RuntimeError) as e:
        raise Error("%s cannot be read as an array: %s" % (what, e)) from None
    if x.dtype not in dtypes:
        names = " or ".join("bfloat16" if d == BF16 else str(d) for d in dtypes)
        raise Error("%s is %s, expected %s; convert it yourself, for that may round" % (what, x.dtype, names))
    if not x.flags.c_contiguous:
        raise Error("%s is not contiguous, expected row-major memory without gaps; use numpy.ascontiguousarray(x)" % what)
    if x.ndim > 4:
        raise Error("%s has rank %d, expected at most 4" % (what, x.ndim))
    return x


def _integers(x, what, least=-2**31):
    """Numbers that fit int32, from a list or an array of any integer type."""
    try:
        x = np.asarray(x) if isinstance(x, (list, tuple, range)) else _host(x, what)
    except (ValueError, TypeError, OverflowError) as e:
        raise Error("%s cannot be read as integers: %s" % (what, e)) from None
    if x.size and x.dtype.kind not in "iu":
        raise Error("%s is %s, expected integers" % (what, x.dtype))
    if x.size and not (least <= int(x.min()) and int(x.max()) < 2**31):
        raise Error("%s goes from %d to %d, expected %d to 2^31 - 1" % (what, x.min(), x.max(), least))
    return np.ascontiguousarray(x, np.int32)


def _labels(x, what):
    x = _integers(x, what)
    return np.where(x == -100, np.int32(-1), x)


def _at(x):
    return x.__array_interface__["data"][0] if x is not None else None


def _pack(arrays):
    """pulse_tensor for each array."""
    return b"".join([_TENSOR.pack(_CODES[x.dtype], x.ndim, *x.shape, *_UNUSED_DIMS[x.ndim], _at(x)) for x in arrays])


def _copy(t):
    """The array of a _Tensor, in memory of its own."""
    dtype, shape = _DTYPES[t.dtype], tuple(t.dims[:t.rank])
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(ctypes.string_at(t.data, size) if size else b"", dtype).reshape(shape).copy()


# --- Operators ---

class _Record:
    """What the library says about an operator, and what a call needs of it."""

    def __init__(self, k):
        self.json = json.loads(_text(_lib.pulse_op_record, k))
        self.name, self.inputs, self.code = self.json["name"], self.json["inputs"], self.json["name"].encode()
        self.index = self.json["index"].split()[0] if self.json["index"] else None
        self.real, self.integer = self.json["floats"] + self.json["reals"], self.json["ints"]
        self.attributes = {a: a.encode() for a in self.real + self.integer}

    def input(self, k):
        """The name of input k, and the types that it may have."""
        word = self.inputs[min(k, len(self.inputs) - 1)]
        types = (_F32, np.dtype(np.float16), BF16) if word in self.json["half"] else (_F32,)
        return "%s: input %s" % (self.name, word.rstrip("?.")), types

    def signature(self):
        plain = [Parameter(w.rstrip("?."), Parameter.VAR_POSITIONAL if w.endswith("...") else Parameter.POSITIONAL_ONLY,
                           **({"default": None} if w.endswith("?") else {})) for w in self.inputs]
        return Signature(plain + [Parameter(w, Parameter.KEYWORD_ONLY, **({"default": 0} if w in self.integer else {}))
                                  for w in self.real + [self.index] * bool(self.index) + self.integer])

    def text(self):
        lines = [self.json["formula"], "", "Shapes: %s. Class: %s. The result is float32." % (self.json["shapes"], self.json["class"]), ""]
        for w in self.inputs:
            types = "float32, float16 or bfloat16" if w in self.json["half"] else "float32"
            often = ", may be left out" if w.endswith("?") else ", any number of them" if w.endswith("...") else ""
            lines.append("    %s (%s)%s" % (w.rstrip("?."), types, often))
        lines += ["    %s (integers)" % self.json["index"]] * bool(self.index)
        lines += ["    %s (a number, taken as the nearest float32)" % w for w in self.json["floats"]]
        lines += ["    %s (a number, float64)" % w for w in self.json["reals"]]
        lines += ["    %s (an integer; 0 where it is left out)" % w for w in self.integer]
        return "\n".join(lines)


class _Attribute(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_double)]


_table = {}


def _records():
    if not _table:
        _table.update((r.name, r) for r in map(_Record, range(_lib.pulse_op_count())))
    return _table


def _arguments(name, arrays, attributes):
    """The C arguments of a call of the operator, and what must stay alive until it ends."""
    r = (_table or _records()).get(name)
    if r is None:
        raise Error("there is no operator %r, expected one of pulse.ops()" % (name,))
    if arrays and arrays[-1] is None and r.inputs[-1].endswith("?"):
        arrays = arrays[:-1]
    given = [x if type(x) is np.ndarray and x.dtype is _F32 and x.flags.c_contiguous and x.ndim <= 4 else _array(x, *r.input(k))
             for k, x in enumerate(arrays)]
    index = None
    if attributes or r.real or r.index:
        if r.index and r.index not in attributes:
            raise Error("%s: %s is missing, expected %s=…: %s" % (name, r.index, r.index, r.json["index"]))
        index = _integers(attributes.pop(r.index), "%s: %s" % (name, r.index)) if r.index else None
        for word in attributes.keys() - r.attributes.keys() | set(r.real) - attributes.keys():
            raise Error("%s: the attribute %s is %s, expected %s" % (name, word, "missing" if word in r.real else "unknown",
                                                                     ", ".join(r.attributes) or "none"))
    values = (_Attribute * len(attributes))(*[(r.attributes[k], v) for k, v in attributes.items()]) if attributes else None
    return (r.code, _pack(given), len(given), values, len(attributes), _at(index), index.size if index is not None else 0), (given, index)


def op(name, *arrays, **attributes):
    """The operator `name` on arrays: a new float32 array, each number rounded once from the formula over the real numbers.

    The attributes, and the index data under its own name (labels, ids, segments, …), are given by keyword. `pulse.ops()[name].__doc__`
    says what an operator takes. An attribute that is a real number must be given; one that is an integer is 0 where it is left out."""
    c, alive = _arguments(name, arrays, attributes)
    shape = _Tensor()
    _call(_lib.pulse_op_shape, *c, ctypes.byref(shape))
    out = np.empty(tuple(shape.dims[:shape.rank]), _F32)
    shape.data = _at(out)
    _call(_lib.pulse_op, *c, ctypes.byref(shape))
    return out


def bound(name, *arrays, **attributes):
    """(y, b): the result of the operator, and the largest absolute error that a sane float32 implementation may have in each number.
    For an operator that has no bound, an Error is raised."""
    c, alive = _arguments(name, arrays, attributes)
    shape = _Tensor()
    _call(_lib.pulse_op_shape, *c, ctypes.byref(shape))
    out, most = (np.empty(tuple(shape.dims[:shape.rank]), _F32) for _ in range(2))
    _call(_lib.pulse_op_bound, *c, _pack([out]), _pack([most]))
    return out, most


def ops():
    """The operators by their names, as functions with a signature and a docstring: `pulse.ops()["softmax"](z)`,
    `help(pulse.ops()["linear"])`."""
    def function(r):
        def f(*arrays, **attributes): return op(r.name, *arrays, **attributes)
        f.__name__ = f.__qualname__ = r.name
        f.__doc__, f.__signature__ = r.text(), r.signature()
        return f
    return {r.name: function(r) for r in _records().values()}


def _mixed_bound(name, arrays, attributes):
    """The result of the operator f, and the largest error of an implementation that rounds its operands and its results to bfloat16:
    |f(bf16(x)) - f(x)| + b + 2^-8 (|f(bf16(x))| + b) + 2^-134, where b is the float32 bound of f at bf16(x), and 2^-134 is half of the
    least positive bfloat16."""
    def rounded(x):
        x = _host(x, "an input")
        return from_bf16(to_bf16(x)) if x.dtype == _F32 else x
    right = op(name, *arrays, **attributes).astype(np.float64)
    y, b = (x.astype(np.float64) for x in bound(name, *[x if x is None else rounded(x) for x in arrays], **attributes))
    return right, np.abs(y - right) + b + 2.0**-8 * (np.abs(y) + b) + 2.0**-134


def assert_close(got, name, *arrays, precision="fp32", **attributes):
    """Raises an AssertionError unless `got` is as near to the operator's result as a sane implementation of this precision must be.

    "fp32": each number within the proven bound of the operator (`pulse.bound`). "bf16": for an implementation that rounds its operands
    and its results to bfloat16, to nearest, and adds in float32. `got` may be float32, float16 or bfloat16. NaN is close to NaN alone,
    an infinity to the same infinity. The message names the worst number."""
    if precision not in ("fp32", "bf16"):
        raise Error("precision is %r, expected \"fp32\" or \"bf16\"" % (precision,))
    got = _array(got, "got", (_F32, np.dtype(np.float16), BF16))
    got = (from_bf16(got) if got.dtype == BF16 else got).astype(np.float64)
    right, most = bound(name, *arrays, **attributes) if precision == "fp32" else _mixed_bound(name, arrays, attributes)
    if got.shape != right.shape:
        raise AssertionError("%s has the shape %s, expected %s" % (name, list(got.shape), list(right.shape)))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(got - right)
        same = (got == right) | (np.isnan(got) & np.isnan(right))
        bad = ~same & ~(np.isfinite(got) & np.isfinite(right) & (error <= most))
        if bad.any():
            ratio = np.where(same, 0, np.where(np.isfinite(error), error / most, np.inf))
            at = np.unravel_index(np.argmax(np.where(bad, ratio, -1)), got.shape)
            raise AssertionError("%s at %s: %d of %d numbers are outside the bound; the worst is at %s: got %r, expected %r, off by %.3g, "
                                 "bound %.3g" % (name, precision, bad.sum(), got.size, [int(i) for i in at], float(got[at]),
                                                 float(right[at]), error[at], most[at]))


# --- Losses of the methods ---

Part = namedtuple("Part", "logits labels offsets reference", defaults=(None, None))
Part.__doc__ = """The samples of one role in a loss.

logits: float32 [rows, V], or [B, T, V] for B samples of T rows. labels: [rows] or [B, T], the id that each row predicts, already shifted;
-1 or -100 is not supervised. offsets: sample i has the rows offsets[i] to offsets[i + 1] - 1; left out, [rows, V] is one sample.
reference: the logits of the reference model, of the shape of logits, where the method needs them."""
Loss = namedtuple("Loss", "value gradient")
Loss.__doc__ = """value: the loss, a numpy.float32. gradient: {role: d loss / d logits, of the shape of the logits}."""


class _Part(ctypes.Structure):
    _fields_ = [("role", ctypes.c_int32), ("rows", ctypes.c_int64), ("vocabulary", ctypes.c_int64), ("samples", ctypes.c_int64),
                ("logits", ctypes.c_void_p), ("reference", ctypes.c_void_p), ("labels", ctypes.c_void_p), ("offsets", ctypes.c_void_p),
                ("gradient", ctypes.c_void_p)]


class _Setting(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


def _settings(given):
    """(array, count) of settings: numbers as their shortest decimals, True and False as yes and no."""
    def text(key, v):
        if isinstance(v, (bool, np.bool_)):
            return "yes" if v else "no"
        if isinstance(v, (str, int, np.integer)):
            return str(v)
        if isinstance(v, (float, np.floating)):
            return repr(float(v))
        raise Error("%s is of the type %s, expected a number, a text, True or False" % (key, type(v).__name__))
    return (_Setting * len(given))(*[(k.encode(), text(k, v).encode()) for k, v in given.items()]), len(given)


def methods():
    """The methods by their names: dictionaries with "loss", "gradient", "needs", "reference", "on", "hyperparameters", "source", …"""
    all_ = (json.loads(_text(_lib.pulse_method_record, k)) for k in range(_lib.pulse_method_count()))
    return {m["name"]: m for m in all_}


def _part(role, given):
    """The C form of a Part, and the arrays that it points to, the gradient last."""
    p = given if isinstance(given, Part) else Part(**given) if isinstance(given, dict) else Part(*given)
    logits = _array(p.logits, "%s: logits" % role)
    labels, reference = _labels(p.labels, "%s: labels" % role), p.reference
    if logits.ndim not in (2, 3) or labels.shape != logits.shape[:-1]:
        raise Error("%s: logits are %s and labels %s, expected [rows, V] and [rows], or [B, T, V] and [B, T]"
                    % (role, list(logits.shape), list(labels.shape)))
    if reference is not None:
        reference = _array(reference, "%s: reference" % role)
        if reference.shape != logits.shape:
            raise Error("%s: reference is %s, expected the shape of the logits, %s" % (role, list(reference.shape), list(logits.shape)))
    rows, each = labels.size, logits.shape[1] if logits.ndim == 3 else labels.size
    if p.offsets is not None and logits.ndim == 3:
        raise Error("%s: offsets are given for logits [B, T, V], whose samples are the B blocks; expected none" % role)
    offsets = _integers(p.offsets if p.offsets is not None else range(0, rows + 1, each or 1), "%s: offsets" % role)
    if offsets.ndim != 1 or offsets.size < 2:
        raise Error("%s: offsets are of the shape %s, expected [samples + 1] for at least one sample" % (role, list(offsets.shape)))
    alive = [logits, reference, labels, offsets, np.empty_like(logits)]
    return _Part(ROLES.index(role), rows, logits.shape[-1], offsets.size - 1, *map(_at, alive)), alive


def loss(method, *, forget=None, retain=None, refusal=None, alternate=None, forget_text=None, random=None, **hyperparameters):
    """The loss of an unlearning method on logits, and its gradients: a `Loss`.

    Each role that the method needs (`pulse.methods()[method]["needs"]`) is a `Part` or a dictionary with its fields. Hyperparameters
    are given by their names, such as beta=0.1; `preset` chooses the values of a public code first."""
    given = {r: p for r, p in zip(ROLES, (forget, retain, refusal, alternate, forget_text, random)) if p is not None}
    parts = {r: _part(r, p) for r, p in given.items()}
    value = ctypes.c_float()
    c_parts = (_Part * len(parts))(*[p for p, _ in parts.values()])
    _call(_lib.pulse_loss, str(method).encode(), c_parts, len(parts), *_settings(hyperparameters), ctypes.byref(value))
    return Loss(np.float32(value.value), {r: alive[-1] for r, (_, alive) in parts.items()})


# --- Optimisers ---

class _Slot(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("gradient", ctypes.c_void_p), ("m", ctypes.c_void_p), ("v", ctypes.c_void_p)]


class _State(ctypes.Structure):
    _fields_ = [("step", ctypes.c_int64), ("power1", ctypes.c_double), ("power2", ctypes.c_double)]


class Optimiser:
    """AdamW, Adam or SGD on named arrays: `pulse.Optimiser(kind="adamw", lr=1e-3)`. The settings are those of [optimiser] in
    `pulse-ref list config`, and "steps", with the defaults that are listed there (also clipping at the norm 1).

    m, v: {name: moments}; step_count: the number of steps so far; norm, lr: the gradients' norm (0 without clipping) and the learning rate
    of the last step, None before the first."""

    def __init__(self, **settings):
        self.settings, self.m, self.v, self.norm, self.lr = dict(settings), {}, {}, None, None
        self._state = _State(0, 1, 1)

    @property
    def step_count(self):
        return self._state.step

    def step(self, values, gradients):
        """{name: new values} after one step from {name: values} and {name: gradient} (a missing gradient is zero). The given arrays are
        not changed; the moments and the number of steps change only if the whole step succeeds."""
        old = {k: _array(x, "value %s" % k) for k, x in values.items()}
        new = {k: x.copy() for k, x in old.items()}
        for k in gradients.keys() - values.keys():
            raise Error("there is a gradient %s without values of that name" % k)
        grads = {k: _array(x, "gradient %s" % k) for k, x in gradients.items() if x is not None}
        m, v = ({k: held[k].copy() if k in held else np.zeros_like(x) for k, x in new.items()} for held in (self.m, self.v))
        for k, x in new.items():
            for what, y in (("gradient", grads.get(k)), ("moment", m[k])):
                if y is not None and y.shape != x.shape:
                    raise Error("%s %s is %s, expected the shape of its values, %s" % (what, k, list(y.shape), list(x.shape)))
        tensors = ctypes.create_string_buffer(_pack(list(new.values())) or b" ")
        at = ctypes.addressof(tensors)
        slots = (_Slot * len(new))(*[(at + i * _TENSOR.size, _at(grads.get(k)), _at(m[k]), _at(v[k])) for i, k in enumerate(new)])
        state, norm, lr = _State.from_buffer_copy(self._state), ctypes.c_float(), ctypes.c_float()
        _call(_lib.pulse_optimiser_step, *_settings(self.settings), slots, len(new), *map(ctypes.byref, (state, norm, lr)))
        self.m, self.v, self._state, self.norm, self.lr = m, v, state, np.float32(norm.value), np.float32(lr.value)
        return new


def schedule(t, **settings):
    """The learning rate of step t, counted from 1: `pulse.schedule(10, lr=1e-3, schedule="cosine", warmup=5, steps=100)`."""
    lr = ctypes.c_float()
    _call(_lib.pulse_schedule, *_settings(settings), int(t), ctypes.byref(lr))
    return np.float32(lr.value)


# --- Text and pictures ---

Prompt = namedtuple("Prompt", "ids targets image answer")
Prompt.__doc__ = """ids, targets: int32 [N]; targets are the ids that the positions predict, -1 where the mask does not supervise.
image, answer: the slices of the picture's tokens and of the answer's tokens."""


def _numbers(at, count):
    return np.frombuffer(ctypes.string_at(at, 4 * count), np.int32).copy() if count else np.empty(0, np.int32)


def _utf8(text, what):
    try:
        return text.encode("utf-8", "surrogateescape")
    except (AttributeError, UnicodeEncodeError) as e:
        raise Error("%s is not Unicode text: %s" % (what, e)) from None


class Tokenizer(_Handle):
    """A tokenizer.json, opened by its path."""
    _closing = staticmethod(_lib.pulse_tokenizer_close)

    def __init__(self, path):
        super().__init__(_lib.pulse_tokenizer_open, os.fsencode(path))

    def encode(self, text, special=False):
        """The ids of a text, int32 [N]; special: with the tokenizer's own template (<s>). The text may hold bytes that are no UTF-8, as
        Python escapes them ("surrogateescape")."""
        raw, at, n = _utf8(text, "the text"), ctypes.c_void_p(), ctypes.c_size_t()
        _call(_lib.pulse_encode, self._open(), raw, len(raw), bool(special), ctypes.byref(at), ctypes.byref(n))
        return _numbers(at, n.value)

    def decode(self, ids, skip_special=True):
        """The text of ids."""
        ids = _integers(ids, "ids")
        return _text(_lib.pulse_decode, self._open(), _at(ids), ids.size, bool(skip_special))

    def prompt(self, question, answer=None, image_tokens=0, template="world", mask="answer"):
        """Encodes a question and its answer by a template ("world", "plain", "vicuna_v1", "llava_hf") and a mask ("answer", "all_text",
        "all_plus_image"): a `Prompt`. image_tokens: the number of tokens of the picture, or 0. answer None: the prompt of a generation."""
        class Value(ctypes.Structure):
            _fields_ = ([(w, ctypes.c_void_p) for w in ("ids", "targets")]
                        + [(w, ctypes.c_size_t) for w in ("count", "image", "image_n", "answer", "answer_n")])
        p = Value()
        question, answer = _utf8(question, "the question"), None if answer is None else _utf8(answer, "the answer")
        if b"\0" in question + (answer or b""):
            raise Error("the question or the answer holds the character NUL, expected none")
        _call(_lib.pulse_prompt, self._open(), template.encode(), mask.encode(), question, answer, image_tokens, ctypes.byref(p))
        return Prompt(_numbers(p.ids, p.count), _numbers(p.targets, p.count), slice(p.image, p.image + p.image_n),
                      slice(p.answer, p.answer + p.answer_n))


class Processor(_Handle):
    """A preprocessor_config.json, opened by its path."""
    _closing = staticmethod(_lib.pulse_processor_close)

    def __init__(self, path):
        super().__init__(_lib.pulse_processor_open, os.fsencode(path))
        width, height = ctypes.c_size_t(), ctypes.c_size_t()
        _call(_lib.pulse_processor_size, self._open(), ctypes.byref(width), ctypes.byref(height))
        self.shape = (3, height.value, width.value)

    def __call__(self, picture):
        """The pixels, float32 [3, height, width], of a path, of the bytes of a PNG or JPEG file, or of a uint8 array [height, width, 3]
        (a picture of PIL is one after convert("RGB"))."""
        out = np.empty(self.shape, np.float32)
        if isinstance(picture, (str, os.PathLike)):
            _call(_lib.pulse_pixels_file, self._open(), os.fsencode(picture), _at(out), out.size)
        elif isinstance(picture, (bytes, bytearray)):
            _call(_lib.pulse_pixels_bytes, self._open(), bytes(picture), len(picture), _at(out), out.size)
        else:
            x = np.asarray(picture) if hasattr(picture, "getbands") else picture
            x = _array(x, "the picture", (np.dtype(np.uint8),))
            if x.ndim != 3 or x.shape[2] != 3:
                raise Error("the picture has the shape %s, expected [height, width, 3]" % list(x.shape))
            _call(_lib.pulse_pixels_rgb, self._open(), _at(x), x.shape[1], x.shape[0], _at(out), out.size)
        return out


# --- Models ---

Sample = namedtuple("Sample", "ids targets pixels role", defaults=(None, None, "forget"))
Sample.__doc__ = """ids: [N]; a picture is "image_tokens" (Model.config) image tokens. targets: [N], the id that each position predicts;
-1 or -100: the position is not supervised; None: no position is. pixels: float32 [3, height, width], None without a picture.
role: the role of the sample in a training step."""
Score = namedtuple("Score", "nll ce tokens right")
Score.__doc__ = """nll, ce: the sum and the mean of -log p over the supervised tokens. tokens: how many these are. right: for how many of
them the target is the argmax."""


class _Sample(ctypes.Structure):
    _fields_ = [("role", ctypes.c_int32), ("count", ctypes.c_int64), ("ids", ctypes.c_void_p), ("targets", ctypes.c_void_p),
                ("pixels", ctypes.c_void_p), ("n_pixels", ctypes.c_int64)]


class _Score(ctypes.Structure):
    _fields_ = [("nll", ctypes.c_float), ("ce", ctypes.c_float), ("tokens", ctypes.c_int64), ("right", ctypes.c_int64)]


def _samples(given):
    """The C form of samples, and what it points to."""
    out, alive = [], []
    for k, s in enumerate([given] if isinstance(given, (Sample, Prompt)) else given):
        s = Sample(s.ids, s.targets) if isinstance(s, Prompt) else s
        ids = _integers(s.ids, "sample %d: ids" % k)
        targets = None if s.targets is None else _labels(s.targets, "sample %d: targets" % k)
        pixels = None if s.pixels is None else _array(s.pixels, "sample %d: pixels" % k)
        if ids.ndim != 1 or targets is not None and targets.shape != ids.shape:
            raise Error("sample %d: ids are %s and targets %s, expected [N] for both"
                        % (k, list(ids.shape), None if targets is None else list(targets.shape)))
        if s.role not in ROLES:
            raise Error("sample %d: the role is %r, expected one of %s" % (k, s.role, ", ".join(ROLES)))
        alive += [ids, targets, pixels]
        out.append(_Sample(ROLES.index(s.role), ids.size, _at(ids), _at(targets), _at(pixels), 0 if pixels is None else pixels.size))
    return (_Sample * len(out))(*out), len(out), alive


class Result(_Handle):
    """Named arrays, the result of a forward pass or of a step: `result["logits"]`, `result.names()`, `"logits" in result`. Each access
    copies. `result.nodes` says how the arrays were computed, with one dictionary for each node, in the order of execution."""
    _closing = staticmethod(_lib.pulse_result_close)

    def __init__(self, opening, *arguments, owner):
        super().__init__(opening, *arguments)
        self._owner, self._names = owner, None

    def names(self):
        if self._names is None:
            name, t, all_ = ctypes.c_char_p(), _Tensor(), []
            for k in range(_lib.pulse_result_count(self._open())):
                _call(_lib.pulse_result_tensor, self._open(), k, ctypes.byref(name), ctypes.byref(t))
                all_.append(name.value.decode())
            self._names = all_
        return list(self._names)

    def __contains__(self, name): return name in self.names()
    def __iter__(self): return iter(self.names())
    def __len__(self): return len(self.names())

    def __getitem__(self, name):
        t = _Tensor()
        _call(_lib.pulse_result_find, self._open(), str(name).encode(), ctypes.byref(t))
        return _copy(t)

    def under(self, prefix):
        """{rest of the name: array} of the names that begin with the prefix: `result.under("grad.")`."""
        return {n[len(prefix):]: self[n] for n in self.names() if n.startswith(prefix)}

    @property
    def info(self):
        """How the arrays were computed: the object of trace.json, with those of its keys that pulse.h (pulse_result_json) names."""
        return json.loads(_text(_lib.pulse_result_json, self._open()))

    @property
    def nodes(self):
        return self.info["nodes"]

    @property
    def loss(self):
        """The loss of a step, a numpy.float32."""
        return self["loss"].reshape(())[()]

    def gradients(self):
        """{name of the parameter: gradient} of a step."""
        return {n: x for n, x in self.under("grad.").items() if not re.fullmatch(r"t\d+", n)}


class Model(_Handle):
    """A model folder in the layout of Hugging Face, with an adapter folder in PEFT's, or with a list of them, all used at once.

    config: a dictionary, with "image_tokens" (how many tokens a picture has) and "pixels" (the shape of a picture). tokenizer, processor:
    those of the folder, opened when they are first used."""
    _closing = staticmethod(_lib.pulse_model_close)

    def __init__(self, folder, adapter=None):
        self.folder = os.fspath(folder)
        adapters = [adapter] * (adapter is not None) if not isinstance(adapter, (list, tuple)) else adapter
        names = (ctypes.c_char_p * len(adapters))(*(os.fsencode(a) for a in adapters))
        super().__init__(_lib.pulse_model_open_adapters, os.fsencode(folder), names, len(adapters))
        self.config, self._tokenizer, self._processor = json.loads(_text(_lib.pulse_model_config, self._open())), None, None

    @property
    def tokenizer(self):
        self._tokenizer = self._tokenizer or Tokenizer(os.path.join(self.folder, "tokenizer.json"))
        return self._tokenizer

    @property
    def processor(self):
        self._processor = self._processor or Processor(os.path.join(self.folder, "preprocessor_config.json"))
        return self._processor

    def parameters(self):
        """{name on the Hub: array}, adapters included, in the type of the file."""
        name, t, all_ = ctypes.c_char_p(), _Tensor(), {}
        for k in range(_lib.pulse_model_parameters(self._open())):
            _call(_lib.pulse_model_parameter, self._open(), k, ctypes.byref(name), ctypes.byref(t))
            all_[name.value.decode()] = _copy(t)
        return all_

    def sample(self, question, answer=None, image=None, role="forget", template="world", mask="answer"):
        """A `Sample` of a question, its answer and a picture (a path, bytes or an array, as Processor takes them)."""
        p = self.tokenizer.prompt(question, answer, 0 if image is None else self.config["image_tokens"], template, mask)
        return Sample(p.ids, p.targets, None if image is None else self.processor(image), role)

    def forward(self, samples):
        """Runs the model on samples, packed one after another: a `Result` with "logits" [N, V], "hidden_states.0" (the embeddings) to
        "hidden_states.L", "image_features", and the output of every module under its path, "language_model.model.layers.0.mlp"."""
        c, n, alive = _samples(samples)
        return Result(_lib.pulse_forward, self._open(), c, n, owner=self)

    def score(self, samples):
        """A `Score` for each sample: how likely the model finds its targets."""
        c, n, alive = _samples(samples)
        scores = (_Score * n)()
        _call(_lib.pulse_score, self._open(), c, n, scores)
        return [Score(np.float32(s.nll), np.float32(s.ce), s.tokens, s.right) for s in scores]

    def generate(self, prompt, room=32, end=-1):
        """Greedy decoding: at most `room` new tokens, int32 [n], until `end` (included; -1: the model's eos token)."""
        c, n, alive = _samples([prompt])
        tokens, count = np.empty(max(room, 0), np.int32), ctypes.c_size_t()
        _call(_lib.pulse_generate, self._open(), c, end, _at(tokens), tokens.size, ctypes.byref(count))
        return tokens[:count.value].copy()

    def ask(self, question, image=None, room=32, template="world"):
        """The model's answer, as text."""
        return self.tokenizer.decode(self.generate(self.sample(question, None, image, template=template), room))

    def trainer(self, method, reference=None, settings=None, **hyperparameters):
        """A `Trainer` on a copy of the weights of this model's folder, without the adapters that this model was opened with."""
        return Trainer(self.folder, method, reference, settings, **hyperparameters)

    def step(self, method, samples, reference=None, settings=None, **hyperparameters):
        """The first step of a fresh trainer: a `Result` with the loss and all gradients."""
        return self.trainer(method, reference, settings, **hyperparameters).step(samples)


class Trainer(_Handle):
    """Optimiser steps of a method on a copy of the weights of a model folder.

    reference: the folder of the reference model; None: the model before the first step. settings: keys of `pulse-ref list config` with
    their section, {"optimiser.lr": 1e-4, "train.trainable": "llm"}. Hyperparameters are given by their names."""
    _closing = staticmethod(_lib.pulse_trainer_close)

    def __init__(self, folder, method, reference=None, settings=None, **hyperparameters):
        self._last = None
        given = _settings({**(settings or {}), **hyperparameters})
        super().__init__(_lib.pulse_trainer_open, os.fsencode(folder), str(method).encode(), *given,
                         None if reference is None else os.fsencode(reference))

    def close(self):
        if self.__dict__.get("_last") is not None:
            self._last.close()
        super().close()

    def step(self, samples):
        """Computes one optimiser step on samples, each with its role: a `Result` with "loss", every node "t<k>", "grad.t<k>",
        "param.<name>", "grad.<name>", "after.<name>", "adam.m.<name>" and "adam.v.<name>" (with sgd "sgd.momentum.<name>"). It can be
        read until the next step."""
        c, n, alive = _samples(samples)
        if self._last is not None:
            self._last.close()
        self._last = Result(_lib.pulse_trainer_step, self._open(), c, n, owner=self)
        return self._last
