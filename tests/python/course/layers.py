# SPDX-License-Identifier: MIT
"""Exercises 4 to 9 forward, and 11 backward: the layers of a LLaVA model in fp32.

A layer is a function of its input x [rows, width], the weights p by their names on the Hub, and its path `at`. It returns its
output and a function back(d, g). This function takes the gradient d of the output and returns the gradient of the input; it
also adds the gradients of the weights to the dictionary g."""
import math

import numpy as np

F = np.float32
erf = np.frompyfunc(math.erf, 1, 1)

def add(g, name, value): g[name] = g[name] + value if name in g else value

# --- Exercise 4: linear ---

def product(x, w): return x @ w.T

def lora_scale(s): return s                                       # LoraNoScale (mistakes.py) makes it 1

def linear(x, p, at, scale=None):
    y = product(x, p[at + ".weight"])
    if at + ".bias" in p:
        y = y + p[at + ".bias"]
    if at + ".lora_A.weight" in p:
        a, b, s = p[at + ".lora_A.weight"], p[at + ".lora_B.weight"], F(lora_scale(scale))
        low = x @ a.T
        y = y + s * (low @ b.T)

    def back(d, g):
        dx = d @ p[at + ".weight"]
        if at + ".lora_A.weight" in p:                            # the frozen weight has no gradient
            add(g, at + ".lora_B.weight", s * (d.T @ low))
            add(g, at + ".lora_A.weight", s * ((d @ b).T @ x))
            return dx + s * ((d @ b) @ a)
        add(g, at + ".weight", d.T @ x)
        if at + ".bias" in p:
            add(g, at + ".bias", d.sum(0))
        return dx
    return y, back

# --- Exercise 5: norms ---

def inverse_root(variance, eps): return 1 / np.sqrt(variance + F(eps))

def layernorm(x, eps):
    centred = x - x.mean(-1, keepdims=True)
    r = inverse_root((centred * centred).mean(-1, keepdims=True), eps)
    n = centred * r
    return n, lambda d: r * (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True))

def rmsnorm(x, eps):
    r = inverse_root((x * x).mean(-1, keepdims=True), eps)
    n = x * r
    return n, lambda d: r * (d - n * (d * n).mean(-1, keepdims=True))

def norm(x, p, at, eps=1e-5):
    """A layer norm (if the layer has a bias) or an RMSNorm, then the weight and, if there is one, the bias."""
    n, n_back = (layernorm if at + ".bias" in p else rmsnorm)(x, eps)
    y = n * p[at + ".weight"]

    def back(d, g):
        add(g, at + ".weight", (d * n).sum(0))
        if at + ".bias" in p:
            add(g, at + ".bias", d.sum(0))
        return n_back(d * p[at + ".weight"])
    return y + p[at + ".bias"] if at + ".bias" in p else y, back

# --- Exercise 6: rotary positions ---

def halves(x): return x[..., :x.shape[-1] // 2], x[..., x.shape[-1] // 2:]
def joined(a, b): return np.concatenate([a, b], -1)

def rope(x, cos, sin, heads):
    """x [rows, heads * dim] turned by the angles of its rows; cos and sin [rows, dim / 2]."""
    c, s = cos[:, None], sin[:, None]

    def turned(x, s):
        a, b = halves(x.reshape(len(x), heads, -1))
        return joined(a * c - b * s, b * c + a * s).reshape(len(x), -1)
    return turned(x, s), lambda d: turned(d, -s)

# --- Exercise 7: attention ---

def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)

def attend(q, k, v, heads, kv_heads, segments, causal):
    """A segment is (first query, number of queries, first key, number of keys). Query head h reads the key head
    h // (heads / kv_heads)."""
    dim, y, kept = q.shape[1] // heads, np.zeros_like(q), []
    for a, n, b, m in np.reshape(segments, (-1, 4)).tolist():
        hidden = np.triu(np.ones((n, m), bool), m - n + 1) if causal else np.zeros((n, m), bool)
        for h in range(heads):
            at = (slice(a, a + n), slice(h * dim, (h + 1) * dim))
            to = (slice(b, b + m), slice(h * kv_heads // heads * dim, (h * kv_heads // heads + 1) * dim))
            w = softmax(np.where(hidden, F(-np.inf), q[at] @ k[to].T / F(math.sqrt(dim))))
            y[at] = w @ v[to]
            kept.append((at, to, w))

    def back(d):
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for at, to, w in kept:
            dw = d[at] @ v[to].T
            dz = w * (dw - (dw * w).sum(-1, keepdims=True)) / F(math.sqrt(dim))
            dq[at] += dz @ k[to]
            dk[to] += dz.T @ q[at]
            dv[to] += w.T @ d[at]
        return dq, dk, dv
    return y, back

def attention(x, p, at, c):
    """c has heads, kv_heads, segments; for the language model cos and sin of each row; for adapters lora, a scale."""
    out = at + (".o_proj" if at + ".o_proj.weight" in p else ".out_proj")
    (q, q_back), (k, k_back), (v, v_back) = (linear(x, p, "%s.%s_proj" % (at, n), c.get("lora")) for n in "qkv")
    turns = "cos" in c
    if turns:
        (q, q_turn), (k, k_turn) = (rope(t, c["cos"], c["sin"], c[n]) for t, n in ((q, "heads"), (k, "kv_heads")))
    mixed, mixed_back = attend(q, k, v, c["heads"], c["kv_heads"], c["segments"], turns)
    y, y_back = linear(mixed, p, out, c.get("lora"))

    def back(d, g):
        dq, dk, dv = mixed_back(y_back(d, g))
        if turns:
            dq, dk = q_turn(dq), k_turn(dk)
        return q_back(dq, g) + k_back(dk, g) + v_back(dv, g)
    return y, back

# --- Exercise 8: blocks ---

def sigmoid(x): return 1 / (1 + np.exp(-x))

def silu(x, k=F(1)):
    s = sigmoid(k * x)
    return x * s, lambda d: d * (s + k * x * s * (1 - s))

def quick_gelu(x): return silu(x, F(1.702))

def mlp(x, p, at, c):
    lora = c.get("lora")
    if at + ".fc1.weight" in p:
        h, h_back = linear(x, p, at + ".fc1", lora)
        a, a_back = quick_gelu(h)
        y, y_back = linear(a, p, at + ".fc2", lora)
        return y, lambda d, g: h_back(a_back(y_back(d, g)), g)
    gate, gate_back = linear(x, p, at + ".gate_proj", lora)
    up, up_back = linear(x, p, at + ".up_proj", lora)
    s, s_back = silu(gate)
    y, y_back = linear(s * up, p, at + ".down_proj", lora)

    def back(d, g):
        d = y_back(d, g)
        return gate_back(s_back(d * up), g) + up_back(d * s, g)
    return y, back

def block(x, p, at, c):
    """h = x + attention(norm(x)); the output is h + mlp(norm(h))."""
    first, second = ("layer_norm1", "layer_norm2") if at + ".layer_norm1.weight" in p else ("input_layernorm", "post_attention_layernorm")
    n1, n1_back = norm(x, p, at + "." + first, c["eps"])
    a, a_back = attention(n1, p, at + ".self_attn", c)
    h = x + a
    n2, n2_back = norm(h, p, at + "." + second, c["eps"])
    m, m_back = mlp(n2, p, at + ".mlp", c)

    def back(d, g):
        d = d + n2_back(m_back(d, g), g)
        return d + n1_back(a_back(d, g), g)
    return h + m, back

# --- Exercise 9: from pictures to the language model ---

def gelu(x):
    """x P(x) with the normal distribution P; its derivative is P + x times the density."""
    cdf = (0.5 * (1 + erf(x / math.sqrt(2)).astype(np.float64))).astype(F)
    return x * cdf, lambda d: d * (cdf + x * np.exp(-x * x / 2) * F(1 / math.sqrt(2 * math.pi)))

def projector(x, p, at):
    h, h_back = linear(x, p, at + ".linear_1")
    a, a_back = gelu(h)
    y, y_back = linear(a, p, at + ".linear_2")
    return y, lambda d, g: h_back(a_back(y_back(d, g)), g)

def patches(pixels, p, at):
    """Rows of (class token, patches) of each picture, plus positions. pixels [pictures, 3, side, side] have no gradient."""
    w, pos = p[at + ".patch_embedding.weight"], p[at + ".position_embedding.weight"]
    n, size, width = len(pixels), w.shape[-1], len(w)
    side = pixels.shape[-1] // size
    cut = pixels.reshape(n, 3, side, size, side, size).transpose(0, 2, 4, 1, 3, 5).reshape(n * side * side, -1)
    first = np.broadcast_to(p[at + ".class_embedding"], (n, 1, width))
    tokens = np.concatenate([first, (cut @ w.reshape(width, -1).T).reshape(n, -1, width)], 1)

    def back(d, g):
        d = d.reshape(n, -1, width)
        add(g, at + ".position_embedding.weight", d.sum(0))
        add(g, at + ".class_embedding", d[:, 0].sum(0))
        add(g, at + ".patch_embedding.weight", (d[:, 1:].reshape(-1, width).T @ cut).reshape(w.shape))
    return (tokens + pos).reshape(-1, width), back

def select(states, layer, positions):
    """The states [rows, width] after the chosen layer, without the class token, which is the first row of each picture."""
    x = states[layer]
    keep = kept_rows(np.arange(len(x)), positions)

    def back(d, g):
        dx = np.zeros_like(x)
        dx[keep] = d
        return dx
    return x[keep], back

def kept_rows(rows, positions): return rows[rows % positions != 0]

def embed(features, p, at, ids, order):
    """The embeddings of the words `ids` and the picture features, in the order that `order` gives."""
    table = p[at + ".embed_tokens.weight"]

    def back(d, g):
        both = np.zeros((len(ids) + len(features), d.shape[1]), F)
        both[order] = d
        dw = np.zeros_like(table)
        np.add.at(dw, ids, both[:len(ids)])
        add(g, at + ".embed_tokens.weight", dw)
        return both[len(ids):]
    return np.concatenate([table[ids], features])[order], back
