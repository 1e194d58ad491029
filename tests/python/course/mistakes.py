# SPDX-License-Identifier: MIT
"""Known mistakes, planted in the solutions: each replaces right functions by wrong ones. This is no part of the solutions."""
import contextlib
import unittest.mock

import numpy as np

import layers
import pictures
import text
import unlearn
from layers import F

right_npo, right_cross_entropy = unlearn.npo, unlearn.cross_entropy
right_prompt, right_step, right_select = text.prompt, unlearn.adamw_step, layers.select


def shifted(*a):
    ids, targets, image = right_prompt(*a)
    return ids, [-1] + [ids[n + 1] if t >= 0 else -1 for n, t in enumerate(targets[:-1])], image


def with_image(*a):
    ids, targets, (first, count) = right_prompt(*a)
    return ids, [ids[n + 1] if first <= n + 1 < first + count else t for n, t in enumerate(targets)], (first, count)


def fast(x, settings, fused=False):
    mean, std = np.array(settings["image_mean"], F), np.array(settings["image_std"], F)
    return np.ascontiguousarray(((x.astype(F) - F(255) * mean) / (F(255) * std)).transpose(2, 0, 1))


def short(x, bits):
    """x without its last `bits` bits, rounded to nearest even."""
    b = x.view(np.uint32)
    return ((b + (1 << (bits - 1)) - 1 + (b >> bits & 1)) & ~np.uint32((1 << bits) - 1)).astype(np.uint32).view(F)


def short_sums(x, w):
    """A product whose partial sums are rounded to bf16."""
    total = np.zeros((len(x), len(w)), F)
    for k in range(x.shape[1]):
        total = short((total.astype(float) + np.outer(x[:, k].astype(float), w[:, k])).astype(F), 16)
    return total


def dropped(x, w): return np.where(np.arange(x.shape[1]) % 10 == 3, F(0), x / F(0.9)) @ w.T


def gelu_tanh(x):
    t = np.tanh(F(0.7978845608028654) * (x + F(0.044715) * x ** 3))
    slope = F(0.7978845608028654) * (1 + F(3 * 0.044715) * x * x)
    return x * (1 + t) / 2, lambda d: d * ((1 + t) / 2 + x / 2 * (1 - t * t) * slope)


def kl_reversed(part, c):
    on = part["labels"] >= 0
    log_ref, log_p = unlearn.log_softmax(part["z_ref"]), unlearn.log_softmax(part["z"])
    own = (np.exp(log_p) * (log_p - log_ref)).sum(-1, keepdims=True)
    return F(c) * own[on].sum() / F(on.sum()), np.where(on[:, None], F(c) / F(on.sum()) * np.exp(log_p) * (log_p - log_ref - own), F(0))


def npo_batch_mean(part, beta):
    z, labels, n = part["z"], part["labels"], F(unlearn.count_of(part["labels"]))
    u = F(beta) * (unlearn.losses_of(z, labels).sum() - unlearn.losses_of(part["z_ref"], labels).sum()) / n
    return F(2) / F(beta) * np.logaddexp(F(0), -u), unlearn.toward(z, labels, F(-2) * layers.sigmoid(-u) / n)


def npo_logits(part, beta):
    d = F(beta) * (part["z_ref"] - part["z"])
    n = F(d.size)
    return F(2) / F(beta) * np.logaddexp(F(0), -d).sum() / n, F(2) * layers.sigmoid(-d) / n


def npo_with_moving_reference(part, beta):
    loss, dz = right_npo(part, beta)
    c = dz[np.arange(len(dz)), part["labels"]] / (layers.softmax(part["z"])[np.arange(len(dz)), part["labels"]] - 1)
    return loss, c[:, None] * (layers.softmax(part["z"]) - layers.softmax(part["z_ref"]))


def shifted_twice(part, c):
    """Each row gets the label of the next row of its sample; the last row has none."""
    labels = np.append(part["labels"][1:], -1)
    labels[part["offsets"][1:] - 1] = -1
    return right_cross_entropy(dict(part, labels=labels), c)


def padded(part, c):
    n, rows = (part["labels"] >= 0).sum(), len(np.diff(part["offsets"])) * np.diff(part["offsets"]).max()
    return tuple(F(n) / F(rows) * x for x in right_cross_entropy(part, c))


def decay_in_gradient(p, g, o):
    """Adam with the decay as a part of the gradient."""
    decayed = {name: d + F(unlearn.decay_of(p[name], o["weight_decay"])) * p[name] for name, d in g.items()}
    return right_step(p, decayed, dict(o, weight_decay=0))


MISTAKES = {
    "BosMissing": [(text, "first_ids", lambda t: [])],
    "PromptInLoss": [(text, "is_learnt", lambda n, end: True)],
    "ImageTokensInLoss": [(text, "prompt", with_image)],
    "ShiftOff1": [(text, "prompt", shifted), (unlearn, "cross_entropy", shifted_twice)],
    "PadNotCrop": [(pictures, "pads", lambda s: True)],
    "CropNotPad": [(pictures, "pads", lambda s: False)],
    "FusedNormalise": [(pictures, "normalise", fast)],
    "Tf32": [(layers, "product", lambda x, w: short(x, 13) @ short(w, 13).T)],
    "Bf16Accum": [(layers, "product", short_sums)],
    "DropoutOn": [(layers, "product", dropped)],
    "LoraATransposed": [(layers, "product", lambda x, w: x @ (w if len(w) == w.shape[1] else w.T))],
    "LayerMinus1": [(layers, "select", lambda states, layer, positions: right_select(states, -1, positions))],
    "LoraNoScale": [(layers, "lora_scale", lambda s: 1)],
    "EpsOutsideSqrt": [(layers, "inverse_root", lambda variance, eps: 1 / (np.sqrt(variance) + F(eps)))],
    "RopeInterleaved": [(layers, "halves", lambda x: (x[..., ::2], x[..., 1::2])), (layers, "joined", lambda a, b: np.stack([a, b], -1))],
    "QuickGeluMissing": [(layers, "quick_gelu", layers.gelu)],
    "GeluTanh": [(layers, "gelu", gelu_tanh)],
    "ClsKept": [(layers, "kept_rows", lambda rows, positions: rows)],
    "SumNotMean": [(unlearn, "count_of", lambda labels: 1)],
    "KlReversed": [(unlearn, "kl", kl_reversed)],
    "NpoBatchMean": [(unlearn, "npo", npo_batch_mean)],
    "NpoLogits": [(unlearn, "npo", npo_logits)],
    "RefNotDetached": [(unlearn, "npo", npo_with_moving_reference)],
    "PadInMean": [(unlearn, "cross_entropy", padded)],
    "ClipMissing": [(unlearn, "clip", lambda g, max_norm: g)],
    "BetaDecimal": [(unlearn, "adam_v", lambda v, g, beta2: (0.999 * v.astype(float) + (1 - 0.999) * g.astype(float) ** 2).astype(F))],
    "BiasCorrectionMissing": [(unlearn, "corrections", lambda *a: (1, 1))],
    "AdamEpsInSqrt": [(unlearn, "adamw", lambda p, m, v, lr, eps, decay, c1, c2:
                       p - F(lr) * (m / F(c1) / np.sqrt(v / F(c2) + F(eps)) + F(decay) * p))],
    "DecayCoupled": [(unlearn, "adamw_step", decay_in_gradient)]}


@contextlib.contextmanager
def planted(name):
    """The mistake of this name is made within the `with` block; "" means none."""
    with contextlib.ExitStack() as stack:
        for module, function, wrong in MISTAKES[name] if name else []:
            stack.enter_context(unittest.mock.patch.object(module, function, wrong))
        yield
