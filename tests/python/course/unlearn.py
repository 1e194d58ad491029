# SPDX-License-Identifier: MIT
"""Exercise 10: losses of unlearning methods. Exercises 11 and 12: the whole model, its gradients, and one step of a method."""
import math

import numpy as np

import layers
from layers import F

TOWER, WORDS = "vision_tower.vision_model", "language_model"

# --- Exercise 10: losses on logits z [rows, vocabulary]; each row has a label, or -1 if it is not supervised ---

def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))

def losses_of(z, labels): return np.where(labels < 0, F(0), -log_softmax(z)[np.arange(len(z)), labels])
def count_of(labels): return (labels >= 0).sum()                    # 1 in the mistake SumNotMean (mistakes.py)

def toward(z, labels, c):
    """c (p - e_y) for each supervised row, and 0 for the others. c is one factor, or one for each row."""
    d = layers.softmax(z)
    d[np.arange(len(z)), labels] -= 1
    return np.where(labels[:, None] < 0, F(0), np.reshape(c, (-1, 1)).astype(F) * d)

def cross_entropy(part, c):
    """c times the mean loss of the supervised rows, and its gradient."""
    n = count_of(part["labels"])
    return F(c) * (losses_of(part["z"], part["labels"]).sum() / F(n)), toward(part["z"], part["labels"], F(c) / F(n))

def kl(part, c):
    """c times the mean over the supervised rows of KL(p_ref || p), a sum over the vocabulary; and its gradient."""
    on = part["labels"] >= 0
    log_ref, log_p = log_softmax(part["z_ref"]), log_softmax(part["z"])
    rows = (np.exp(log_ref) * (log_ref - log_p)).sum(-1)
    return F(c) * (rows[on].sum() / F(on.sum())), np.where(on[:, None], F(c) / F(on.sum()) * (np.exp(log_p) - np.exp(log_ref)), F(0))

def sample_sums(rows, offsets): return np.add.reduceat(rows, offsets[:-1])

def npo(part, beta):
    """-2/beta times the mean of log sigmoid(beta (NLL_i - NLL_ref_i)) over the samples i, and its gradient."""
    z, labels, offsets = part["z"], part["labels"], part["offsets"]
    d = sample_sums(losses_of(z, labels), offsets) - sample_sums(losses_of(part["z_ref"], labels), offsets)
    u, b = F(beta) * d, F(len(d))
    loss = F(-2) / F(beta) * (-np.logaddexp(F(0), -u).sum() / b)
    return loss, toward(z, labels, np.repeat(F(-2) * layers.sigmoid(-u) / b, np.diff(offsets)[:len(d)]))

def method_loss(method, hyper, parts):
    """(loss, {role: gradient of its logits}) of a method on the parts {role: {"z", "labels", "offsets", "z_ref"}}."""
    if method == "npo":
        loss, d = npo(parts["forget"], hyper["beta"])
        return loss, {"forget": d}
    loss, d = cross_entropy(parts["forget"], {"grad_diff": -hyper["gamma"]}.get(method, -1))
    if method == "ga":
        return loss, {"forget": d}
    other, dz = cross_entropy(parts["retain"], hyper["alpha"]) if method == "grad_diff" else kl(parts["retain"], hyper["lambda"])
    return loss + other, {"forget": d, "retain": dz}

# --- Exercise 11: the model and its gradients ---

def forward(p, config, pixels, samples):
    """Packs the samples (ids, targets, (first row of the picture, number of its rows)) one after the other. Returns the logits
    and labels of their supervised rows, and a function back(d) that gives the gradients of all weights."""
    vision, text = config["vision_config"], config["text_config"]
    heads, positions = text["num_attention_heads"], (vision["image_size"] // vision["patch_size"]) ** 2 + 1
    pictures = [[k * positions, positions] * 2 for k in range(len(pixels))]
    x, tower_back = layers.patches(pixels, p, TOWER + ".embeddings")
    x, pre_back = layers.norm(x, p, TOWER + ".pre_layrnorm", vision["layer_norm_eps"])
    c = {"heads": vision["num_attention_heads"], "kv_heads": vision["num_attention_heads"], "segments": pictures,
         "eps": vision["layer_norm_eps"]}
    states, tower_backs = [x], []
    for k in range(vision["num_hidden_layers"] + 1 + config["vision_feature_layer"]):
        x, back = layers.block(x, p, TOWER + ".encoder.layers.%d" % k, c)
        states, tower_backs = states + [x], tower_backs + [back]
    x, select_back = layers.select(states, len(states) - 1, positions)
    x, projector_back = layers.projector(x, p, "multi_modal_projector")

    ids, targets = (np.concatenate([s[k] for s in samples]) for k in (0, 1))
    starts = np.cumsum([0] + [len(s[0]) for s in samples])
    is_image = ids == config["image_token_index"]
    order = np.where(is_image, (~is_image).sum() + np.cumsum(is_image) - 1, np.cumsum(~is_image) - 1)
    x, embed_back = layers.embed(x, p, WORDS + ".model", ids[~is_image], order)
    place = np.concatenate([np.arange(len(s[0])) for s in samples])
    dim = text.get("head_dim", text["hidden_size"] // heads)
    angle = place[:, None] * text["rope_theta"] ** (-2 * np.arange(dim // 2) / dim)
    c = {"heads": heads, "kv_heads": text["num_key_value_heads"], "cos": np.cos(angle).astype(F), "sin": np.sin(angle).astype(F),
         "segments": [[a, b - a] * 2 for a, b in zip(starts, starts[1:])], "eps": text["rms_norm_eps"]}
    language_backs = []
    for k in range(text["num_hidden_layers"]):
        x, back = layers.block(x, p, WORDS + ".model.layers.%d" % k, c)
        language_backs.append(back)
    rows, whole = np.flatnonzero(targets >= 0), x
    x, norm_back = layers.norm(x[rows], p, WORDS + ".model.norm", text["rms_norm_eps"])
    z, head_back = layers.linear(x, p, WORDS + ".lm_head")

    def back(d):
        g, dx = {}, np.zeros_like(whole)
        dx[rows] = norm_back(head_back(d, g), g)
        for one in language_backs[::-1]:
            dx = one(dx, g)
        dx = select_back(projector_back(embed_back(dx, g), g), g)
        for one in tower_backs[::-1]:
            dx = one(dx, g)
        tower_back(pre_back(dx, g), g)
        return g
    return z, targets[rows], back

# --- Exercise 12: the step of an optimiser ---

def clip(g, max_norm):
    size = F(math.sqrt(sum(float((x.astype(np.float64) ** 2).sum()) for x in g.values())))
    k = min(F(max_norm) / (size + F(1e-6)), F(1))
    return {name: k * x for name, x in g.items()}

def adam_m(m, g, beta1): return F(beta1) * m + (F(1) - F(beta1)) * g
def adam_v(v, g, beta2): return F(beta2) * v + (F(1) - F(beta2)) * (g * g)
def corrections(beta1, beta2, t): return 1 - float(F(beta1)) ** t, 1 - float(F(beta2)) ** t

def adamw(p, m, v, lr, eps, decay, c1, c2):
    """The new weight. The decay is a term of its own; it is no part of the gradient that m and v average."""
    return p - F(lr) * (m / F(c1) / (np.sqrt(v / F(c2)) + F(eps)) + F(decay) * p)

def decay_of(p, decay): return decay if p.ndim >= 2 else 0                         # only matrices decay

def adamw_step(p, g, o):
    """The first step: {"after.NAME", "adam.m.NAME", "adam.v.NAME"}, from clipped gradients and moments of zero."""
    out, (c1, c2) = {}, corrections(o["beta1"], o["beta2"], 1)
    for name, d in g.items():
        m, v = adam_m(np.zeros_like(d), d, o["beta1"]), adam_v(np.zeros_like(d), d, o["beta2"])
        out["adam.m." + name], out["adam.v." + name] = m, v
        out["after." + name] = adamw(p[name], m, v, o["lr"], o["eps"], decay_of(p[name], o["weight_decay"]), c1, c2)
    return out
