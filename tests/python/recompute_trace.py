# SPDX-License-Identifier: MIT
"""Recomputes a trace without the program: every node from its own inputs, by the formula of `pulse-ref list ops`, at 0 ulp.

    recompute_trace.py FOLDER [OP ...]         # with OP: only the nodes of these operators

It needs numpy and mpmath, and shares no code with the program. RN(x) is the float nearest to x. A single operation that
IEEE 754 rounds correctly is left to numpy. Sums of fp32 products are rounded correctly to binary64 by math.fsum.
Everything else is computed by mpmath with 160 bits and rounded to binary64. Then the binary64 value is rounded to fp32.
If it lies midway between two floats, the exact value decides, so both roundings together give RN. Prints a line for
each node that differs; the exit code is 1 if any does."""
import json, math, struct, sys
from fractions import Fraction
import numpy as np
from mpmath import mp, mpf

mp.prec = 160
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1", "F16": "<f2"}


def load(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: np.frombuffer(raw[8 + n:][slice(*v["data_offsets"])], TYPES[v["dtype"]]).reshape(v["shape"]) for k, v in head.items()}


def rn(d, exact):
    """The float nearest to the real number whose nearest double is d; exact() - d has the sign that settles a tie."""
    f = np.float32(d)
    if not math.isfinite(d) or float(f) == d:
        return f
    other = np.nextafter(f, np.float32(math.inf if d > float(f) else -math.inf))
    if (Fraction(float(f)) + Fraction(float(other))) / 2 != Fraction(d):
        return f
    side = exact() - Fraction(d)
    return f if side == 0 else max(f, other) if side > 0 else min(f, other)


def exact_of(x):
    return Fraction(x.man * (1 if x >= 0 else -1)) * Fraction(2) ** x.exp if x else Fraction(0)


def near(x):
    """RN of an mpf; zero is +0."""
    return rn(float(x), lambda: exact_of(x)) if x else np.float32(0)


def total(terms):
    """RN of an exact sum of doubles."""
    d = math.fsum(terms)
    return rn(d, lambda: sum(map(Fraction, terms))) if d else np.float32(0)


def each(f, *x):
    """Applies f to mpfs, element by element."""
    out = np.empty(x[0].shape, np.float32)
    flat, parts = out.reshape(-1), [np.broadcast_to(a, x[0].shape).reshape(-1) for a in x]
    for k in range(flat.size):
        flat[k] = near(f(*[mpf(float(p[k])) for p in parts]))
    return out


def plus(x):
    """Makes every zero +0."""
    return x + np.float32(0)


def sums(f, *x):
    """For each element, RN of the sum of the terms (doubles) that f returns; a zero has the sign of IEEE 754."""
    out = np.empty(x[0].shape, np.float32)
    flat, parts = out.reshape(-1), [np.broadcast_to(a, x[0].shape).reshape(-1).astype("f8").tolist() for a in x]
    for k in range(flat.size):
        terms = f(*[p[k] for p in parts])
        flat[k] = total(terms) if any(terms) else sum(terms[1:], terms[0])
    return out


def product(a, b):
    """RN(a b) of matrices: products are exact in binary64."""
    a, b = a.astype("f8"), b.astype("f8").T
    return np.array([[total((r * c).tolist()) for c in b] for r in a], np.float32).reshape(len(a), len(b))


def rows(f, *x):
    """Applies f to the rows of the last axis: f takes lists of mpf and returns a list of mpf."""
    n = x[0].shape[-1]
    lists = zip(*[a.reshape(-1, n).astype("f8").tolist() for a in x])
    return plus(np.array([[near(v) for v in f(*[list(map(mpf, r)) for r in one])] for one in lists], np.float32).reshape(x[0].shape))


def softmax(z):
    e = [mp.exp(v - max(z)) for v in z]
    return [v / mp.fsum(e) for v in e]


def log_sum(z):
    return max(z) + mp.log(mp.fsum(mp.exp(v - max(z)) for v in z))


def norm(x, eps, centred):
    mean = mp.fsum(x) / len(x) if centred else mpf(0)
    root = mp.sqrt(mp.fsum((v - mean) ** 2 for v in x) / len(x) + eps)
    return [(v - mean) / root for v in x], root


def norm_dx(x, dn, eps, centred):
    n, root = norm(x, eps, centred)
    a, b = mp.fsum(dn) / len(x) if centred else 0, mp.fsum(p * q for p, q in zip(dn, n)) / len(x)
    return [(d - a - v * b) / root for d, v in zip(dn, n)]


def heads(at, q_like, k_like, f):
    """Calls f for every segment and head: with the slices of query rows, query columns, key rows and key columns, with the mask,
    and with the slice of the flat scores. Returns the number of all scores."""
    H, K, D = at["heads"], at["kv_heads"], at["head_dim"]
    place = 0
    for qb, qn, kb, kn in at["segments"].reshape(-1, 4):
        for h in range(H):
            g = h // (H // K)
            see = np.array([[j <= i + kn - qn or not at["causal"] for j in range(kn)] for i in range(qn)]).reshape(qn, kn)
            f(slice(qb, qb + qn), slice(h * D, h * D + D), slice(kb, kb + kn), slice(g * D, g * D + D), see, slice(place, place + qn * kn))
            place += qn * kn
    return place


def attention(op, at, a, b=None):
    size = heads(at, a, b, lambda *_: None)
    if op == "attention_scores":
        out = np.zeros(size, np.float32)

        def scores(q, h, k, g, see, s):
            out[s] = np.where(see, product(a[q, h], b[k, g].T), np.float32(0)).reshape(-1)
        heads(at, a, b, scores)
    elif op in ("attention_softmax", "attention_softmax_grad"):
        out = np.zeros(size, np.float32)

        def soft(q, h, k, g, see, s):
            block = out[s].reshape(see.shape)
            for i, m in enumerate(see):
                x = a[s].reshape(see.shape)[i, m]
                block[i, m] = rows(softmax, x) if b is None else grad_row(x, b[s].reshape(see.shape)[i, m])
        heads(at, a, b, soft)
    else:
        H, K, D = at["heads"], at["kv_heads"], at["head_dim"]
        mix = op == "attention_mix"
        terms = {}

        def collect(q, h, k, g, see, s):
            p = np.where(see, a[s].reshape(see.shape), 0).astype("f8")
            x = b[k, g].astype("f8") if mix else b[q, h].astype("f8")
            rows_at, cols = (q, h) if mix else (k, g)
            for i, weights in enumerate(p if mix else p.T):
                for c in range(D):
                    terms.setdefault((rows_at.start + i, cols.start + c), []).extend((weights * x[:, c]).tolist())
        heads(at, a, b, collect)
        out = np.zeros((at["rows"], (H if mix else K) * D), np.float32)
        for key, value in terms.items():
            out[key] = total(value)
    return out


def grad_row(p, dp):
    return rows(lambda p, dp: [v * (w - mp.fsum(x * y for x, y in zip(p, dp))) for v, w in zip(p, dp)], p, dp)


def cut(x, offsets):
    return [x[a:b].astype("f8").tolist() for a, b in zip(offsets, offsets[1:])]


def sigmoid(x): return 1 / (1 + mp.exp(-x))
def cdf(x): return mp.erfc(-x / mp.sqrt(2)) / 2
def all_squares(x): return mp.fsum(mpf(v) * mpf(v) for a in x for v in a.reshape(-1).astype("f8").tolist())
def scalar(v): return np.array(v, np.float32).reshape(())


def rope(at, x, c, s, sign):
    y = np.empty_like(x)
    n, d = len(x), c.shape[1]
    c, s = c[at["positions"]], s[at["positions"]] * np.float32(sign)
    for h in range(at["heads"]):
        one, two = x[:, 2 * h * d:(2 * h + 1) * d], x[:, (2 * h + 1) * d:(2 * h + 2) * d]
        y[:, 2 * h * d:(2 * h + 1) * d] = sums(lambda p, q, c, s: [p * c, -q * s], one, two, c, s)
        y[:, (2 * h + 1) * d:(2 * h + 2) * d] = sums(lambda p, q, c, s: [q * c, p * s], one, two, c, s)
    return y


def adam(at, p, m, v, decay):
    lr, eps, c1, c2 = (mpf(at[k]) for k in ("lr", "eps", "c1", "c2"))
    return plus(each(lambda p, m, v: p - lr * (m / c1 / (mp.sqrt(v / c2) + eps) + mpf(decay) * p), p, m, v))


def label_grad(at, p, c):
    out = np.zeros_like(p)
    for r, y in enumerate(at["labels"]):
        if y >= 0:
            out[r] = [total([float(c[r]) * float(v)] + ([-float(c[r])] if k == y else [])) for k, v in enumerate(p[r])]
    return out


def masked(at, x):
    keep = at["keep"].astype(bool)
    return np.where(keep.reshape(x.shape) if keep.size == x.size else keep.reshape((-1,) + (1,) * (x.ndim - 1)), x, np.float32(0))


def patches(x, p):
    b, k, h, w = x.shape
    return x.reshape(b, k, h // p, p, w // p, p).transpose(0, 2, 4, 1, 3, 5).reshape(-1, k * p * p)


F = float
OPS = {
    "reshape": lambda at, x: x.reshape([at["dim%d" % k] for k in range(at["rank"])]),
    "transpose": lambda at, x: x.T,
    "concat_rows": lambda at, *x: np.concatenate([a.reshape(-1, a.shape[-1]) for a in x]),       # a vector is one row
    "slice_rows": lambda at, x: x[at["begin"]:at["begin"] + at["count"]],
    "gather_rows": lambda at, x: x[at["ids"]],
    "scatter_rows": lambda at, x: np.array([[total(c) for c in x[at["ids"] == v].T.astype("f8").tolist()] for v in range(at["rows"])], np.float32),
    "broadcast_rows": lambda at, x: np.broadcast_to(x.reshape(1, -1), (at["rows"], x.size)),
    "patches": lambda at, x: patches(x, at["p"]),
    "mask": masked,
    "softmax": lambda at, z: rows(softmax, z),
    "softmax_grad": lambda at, p, dp: grad_row(p, dp),
    "log_softmax": lambda at, z: rows(lambda z: [v - log_sum(z) for v in z], z),
    "nll": lambda at, z: np.array([near(log_sum(list(map(mpf, r))) - mpf(r[y])) if y >= 0 else 0 for r, y in zip(z.astype("f8").tolist(), at["labels"])], np.float32),
    "logit_grad": lambda at, p, q, c: plus(sums(lambda p, q, c: [c * p, -c * q], p, q, c.reshape(-1, 1))),
    "logit_grad_label": label_grad,
    "kl": lambda at, pr, lr, l: np.array([total([t for p, a, b in zip(*r) if p for t in (p * a, -p * b)]) for r in zip(*(x.astype("f8").tolist() for x in (pr, lr, l)))], np.float32),
    "add": lambda at, a, b: a + b, "sub": lambda at, a, b: a - b, "mul": lambda at, a, b: a * b,       # IEEE 754 rounds these correctly
    "scale": lambda at, x: x * np.float32(at["s"]),
    "axpy": lambda at, b, x: sums(lambda b, x: [b, at["s"] * x], b, x),
    "ratio": lambda at, x: each(lambda x: mpf(at["num"]) * x / mpf(at["den"]), x),
    "mul_rows": lambda at, x, w: x * w,
    "affine_rows": lambda at, x, g, b: sums(lambda x, g, b: [x * g, b], x, g, b),
    "gelu": lambda at, x: each(lambda x: x * cdf(x), x),
    "quick_gelu": lambda at, x: each(lambda x: x * sigmoid(mpf("1.702") * x), x),
    "silu": lambda at, x: each(lambda x: x * sigmoid(x), x),
    "gelu_grad": lambda at, x: each(lambda x: cdf(x) + x * mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi), x),
    "quick_gelu_grad": lambda at, x: each(lambda x: (lambda k, s: s + k * x * s * (1 - s))(mpf("1.702"), sigmoid(mpf("1.702") * x)), x),
    "silu_grad": lambda at, x: each(lambda x: (lambda s: s + x * s * (1 - s))(sigmoid(x)), x),
    "sigmoid": lambda at, x: each(sigmoid, x),
    "log_sigmoid": lambda at, x: each(lambda x: -mp.log1p(mp.exp(-x)), x),
    "exp": lambda at, x: each(mp.exp, x), "log": lambda at, x: each(mp.log, x),
    "sqrt": lambda at, x: np.sqrt(x), "rsqrt": lambda at, x: each(lambda x: 1 / mp.sqrt(x), x),
    "layernorm": lambda at, x: rows(lambda x: norm(x, mpf(at["eps"]), True)[0], x),
    "rmsnorm": lambda at, x: rows(lambda x: norm(x, mpf(at["eps"]), False)[0], x),
    "layernorm_dx": lambda at, x, dn: rows(lambda x, dn: norm_dx(x, dn, mpf(at["eps"]), True), x, dn),
    "rmsnorm_dx": lambda at, x, dn: rows(lambda x, dn: norm_dx(x, dn, mpf(at["eps"]), False), x, dn),
    "sum": lambda at, x: scalar(total(x.reshape(-1).astype("f8").tolist())),
    "mean": lambda at, x: scalar(near(mp.fsum(map(mpf, x.reshape(-1).astype("f8").tolist())) / at["n"])),
    "square_sum": lambda at, x: scalar(near(all_squares([x]))),
    "square_norm": lambda at, *x: scalar(near(mp.sqrt(all_squares(x)))),
    "segment_sum": lambda at, x: np.array([total(s) for s in cut(x, at["offsets"])], np.float32),
    "segment_mean": lambda at, x: np.array([near(mp.fsum(map(mpf, s)) / len(s)) for s in cut(x, at["offsets"])], np.float32),
    "column_sum": lambda at, x: np.array([total(c) for c in x.T.astype("f8").tolist()], np.float32),
    "column_dot": lambda at, a, b: np.array([total(c) for c in (a.astype("f8") * b.astype("f8")).T.tolist()], np.float32),
    "sum_n": lambda at, *x: plus(sums(lambda *x: list(x), *x)),
    "clip_factor": lambda at, n: each(lambda n: min(mpf(1), mpf(at["max_norm"]) / (n + mpf(1) / 10 ** 6)), n),
    "scale_by": lambda at, x, s: x * s,
    "adam_m": lambda at, m, g: plus(each(lambda m, g: at["beta1"] * m + (1 - mpf(at["beta1"])) * g, m, g)),
    "adam_v": lambda at, v, g: each(lambda v, g: at["beta2"] * v + (1 - mpf(at["beta2"])) * g * g, v, g),
    "adamw": lambda at, p, m, v: adam(at, p, m, v, at["decay"]), "adam": lambda at, p, m, v: adam(at, p, m, v, 0),
    "sgd": lambda at, p, g: plus(each(lambda p, g: p - mpf(at["lr"]) * (g + mpf(at["decay"]) * p), p, g)),
    "momentum": lambda at, b, g: plus(each(lambda b, g: at["momentum"] * b + g, b, g)),
    "linear": lambda at, x, w, b=None: product(x, w.T) if b is None else product(np.hstack([x, np.ones((len(x), 1), np.float32)]), np.vstack([w.T, b])),
    "matmul": lambda at, a, b: product(a.T if at["transpose_a"] else a, b.T if at["transpose_b"] else b),
    "rope": lambda at, x, c, s: rope(at, x, c, s, 1), "rope_back": lambda at, x, c, s: rope(at, x, c, s, -1),
}
for name in ("scores", "softmax", "softmax_grad", "mix", "mix_t"):
    OPS["attention_" + name] = lambda at, *x, name=name: attention("attention_" + name, at, *x)


def main(folder, only):
    trace, t = json.load(open(folder + "/trace.json")), load(folder + "/trace.safetensors")
    bad = count = 0
    np.seterr(all="ignore")
    for node in trace["nodes"]:
        if only and node["op"] not in only:
            continue
        attrs = {k: t[v] if isinstance(v, str) and v.startswith("index.") else F.fromhex(node["attrs"][k + ".hex"]) if k + ".hex" in node["attrs"] else v
                 for k, v in node["attrs"].items()}
        want = t[node["output"]]
        got = np.array(OPS[node["op"]](attrs, *[t[i] for i in node["inputs"]]), dtype=np.float32, order="C")
        count += 1
        if got.shape != want.shape or got.tobytes() != want.tobytes():
            bad += 1
            where = np.flatnonzero(got.view("i4").reshape(-1) != want.view("i4").reshape(-1)) if got.shape == want.shape else []
            print("%s: %s in %s %s: %s" % (node["output"], node["op"], node["module"], node["phase"],
                  "%d of %d differ, first %r, expected %r" % (len(where), want.size, got.reshape(-1)[where[0]], want.reshape(-1)[where[0]]) if len(where) else "shape %s, expected %s" % (got.shape, want.shape)))
    print("%d nodes recomputed, %d differ" % (count, bad))
    return bad > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
