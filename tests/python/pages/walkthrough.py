# SPDX-License-Identifier: MIT
"""The numbers of docs/walkthrough.md, from `pulse-ref trace` of one gradient-ascent step on one picture and one question."""
import json
import os
import shutil
import subprocess
import tempfile

from exact import Q, U, digits, f32, hexed, last_bit, load, exponential, root, row, save, show

MODEL, SAMPLE = "fixtures/vectors/v1/models/tiny-llava-b", "docs/walkthrough/sample.jsonl"
PULSE = os.environ.get("PULSE", "build/pulse-ref")


def traced(model, to):
    command = [PULSE, "trace", "--model", model, "--batch", SAMPLE, "--method", "ga", "--out", to]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(to + "/trace.json") as f:
        return json.load(f), load(to + "/trace.safetensors")


def equation(left, right): return "%-40s %s" % (left, right)
def bits(x): return "%s   %s" % (show(x), hexed(x))
def with_node(node, text): return "%s  (%s)" % (text, node)
def several(x): return "  ".join(show(v) for v in x) + "  …"


def in_order(terms):
    """The sum of products as a plain fp32 loop computes it."""
    total = 0.0
    for a, b in terms:
        total = f32(Q(total) + Q(f32(Q(a) * Q(b))))
    return total


def in_eights(terms):
    """The same sum by a loop that keeps eight partial sums and adds them at the end."""
    return in_order([(in_order(terms[k::8]), 1.0) for k in range(8)])


class Step:
    def __init__(self):
        folder = tempfile.mkdtemp()
        try:
            self.trace, self.t = traced(MODEL, folder + "/before")
            after = folder + "/model"
            shutil.copytree(MODEL, after)
            save(after + "/model.safetensors", {k[6:]: v for k, v in self.t.items() if k.startswith("after.")})
            self.again = traced(after, folder + "/after")[0]      # the trace of a step from the new weights
        finally:
            shutil.rmtree(folder)
        with open(MODEL + "/preprocessor_config.json") as f:
            self.processor = json.load(f)
        with open(MODEL + "/tokenizer.json", encoding="utf-8") as f:
            self.pieces = tokens_of(json.load(f))

    def node(self, op, module, phase="forward"):
        """The name of the first node of this operator in this module."""
        return next(n["output"] for n in self.trace["nodes"] if n["op"] == op and n["module"] == module and n["phase"] == phase)

    def record(self, output): return next(n for n in self.trace["nodes"] if n["output"] == output)


def tokens_of(file):
    pieces = {k: name for name, k in file["model"]["vocab"].items()}
    pieces.update({t["id"]: t["content"] for t in file["added_tokens"]})
    return pieces


def picture(s):
    lines, pixels = [equation("channel", "byte   u/255          - mean         / std = the pixel")], s.t["input.pixels"][1]
    for c, name in enumerate(("red", "green", "blue")):
        mean, std = f32(Q(s.processor["image_mean"][c])), f32(Q(s.processor["image_std"][c]))
        for u in range(256):
            v = f32(Q(u * s.processor["rescale_factor"]))
            centred = f32(Q(v) - Q(mean))
            if f32(Q(centred) / Q(std)) == pixels[c * 144]:
                lines.append(equation(name, "%3d    %-14s %-14s %s" % (u, show(v), show(centred), show(pixels[c * 144]))))
                break
        else:
            raise ValueError("no byte gives the pixel")
    return lines


def prompt(s):
    gathered = [n["output"] for n in s.trace["nodes"] if n["op"] == "gather_rows" and n["module"] == "language_model"]
    words, order = (s.t["index." + name][1] for name in gathered)
    labels = dict(zip(s.t["index." + s.node("gather_rows", "language_model.model")][1], s.t["index." + s.node("nll", "loss")][1]))
    lines = [equation("row", "token                     learns to predict")]
    rows = [s.pieces[words[k]] if k < len(words) else "<image>" for k in order]
    first = rows.index("<image>")
    for r, name in enumerate(rows):
        if name != "<image>":
            lines.append(equation(r, "%-25s %s" % (name, s.pieces[labels[r]] if r in labels else "")).rstrip())
        elif r == first:
            lines.append(equation("%d to %d" % (r, r + rows.count("<image>") - 1), "<image>, %d times" % rows.count("<image>")))
    return lines


def patch(s):
    """The product of the first patch and a row of the weights, and how the last bit of the product is decided. The row
    is the first for which a plain fp32 loop is wrong."""
    y = s.node("linear", "vision_tower.vision_model.embeddings")
    x, w = s.record(y)["inputs"]
    for column in range(s.t[y][0][1]):
        terms = list(zip(row(s.t[x], 0), row(s.t[w], column)))
        if in_order(terms) != s.t[y][1][column]:
            break
    exact = sum(Q(a) * Q(b) for a, b in terms)
    norms = root(sum(Q(a) ** 2 for a, _ in terms)) * root(sum(Q(b) ** 2 for _, b in terms))
    assert f32(exact) == s.t[y][1][column]
    return [equation("x, the first patch", several(row(s.t[x], 0)[:5])),
            equation("w, row %d of the weights" % column, several(row(s.t[w], column)[:5])),
            equation("y = RN(sum of %d products x w)" % len(terms), with_node(y, bits(s.t[y][1][column]))),
            *last_bit(exact, (len(terms) - 1 + 5) * U * norms),
            equation("an fp32 loop gives", bits(in_order(terms))),
            equation("an fp32 loop with eight sums gives", bits(in_eights(terms)))]


def norm(s):
    y = s.node("layernorm", "vision_tower.vision_model.pre_layrnorm")
    x, eps = [Q(v) for v in row(s.t[s.record(y)["inputs"][0]], 0)], Q(float.fromhex(s.record(y)["attrs"]["eps.hex"]))
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    exact = (x[0] - mean) / root(variance + eps)
    assert f32(exact) == s.t[y][1][0]
    size = sum(map(abs, x)) / len(x)
    bound = 12 * U * size / root(variance + eps) + 20 * U * abs(exact)       # of the mean; of variance, root and product (op_norm.c)
    return [equation("x, the class token's row", several([float(v) for v in x[:5]])),
            equation("mean(x)", digits(mean, 20)),
            equation("var(x) = mean((x - mean)^2)", digits(variance, 20)),
            equation("n = RN((x - mean) / sqrt(var + eps))", with_node(y, several(row(s.t[y], 0)[:4]))),
            "of the first of these:", *last_bit(exact, bound)]


def features(s):
    def first(op, module): return with_node(s.node(op, module), several(row(s.t[s.node(op, module)], 0)[:4]))
    return [equation("the tower's states of patch 1", first("gather_rows", "vision_tower.vision_model")),
            equation("linear_1 of them", first("linear", "multi_modal_projector.linear_1")),
            equation("RN(x P(x)) of that", first("gelu", "multi_modal_projector")),
            equation("linear_2 of that", first("linear", "multi_modal_projector.linear_2"))]


def attention(s, query=3):
    at = "language_model.model.layers.0.self_attn"
    scaled, p = s.node("scale", at), s.node("attention_softmax", at)
    n = s.t[s.node("linear", at + ".q_proj")][0][0]
    z, y = ([float(v) for v in s.t[name][1][query * n:query * n + query + 1]] for name in (scaled, p))
    powers = [exponential(Q(v) - Q(max(z))) for v in z]
    exact = [e / sum(powers) for e in powers]
    assert [f32(e) for e in exact] == y
    return [equation("z, row %d sees rows 0 to %d" % (query, query), with_node(scaled, "  ".join(map(show, z)))),
            equation("p = RN(e^z / sum of e^z)", with_node(p, "  ".join(map(show, y)))),
            "of the first of these:", *last_bit(exact[0], (224 + 4) * U * exact[0])]      # (224 + h) u, h < 4 (ops/softmax.c)


def loss(s):
    z, labels = s.t[s.node("linear", "language_model.lm_head")], s.t["index." + s.node("nll", "loss")][1]
    lines = []
    for r, k in enumerate(labels):
        logits = row(z, r)
        best = max(range(len(logits)), key=logits.__getitem__)
        lines += [equation("the logit of %s" % s.pieces[k], "%s, and the largest of %d is %s, of %s" % (
                      show(logits[k]), len(logits), show(logits[best]), s.pieces.get(best, "id %d" % best))),
                  equation("nll = RN(log sum e^z - z)", show(s.t[s.node("nll", "loss")][1][r]))]
    ce, value = s.node("mean", "loss"), s.node("scale", "loss")
    return lines + [equation("CE = RN(sum of nll / N), N = %d" % len(labels), with_node(ce, show(s.t[ce][1][0]))),
                    equation("L = -CE", with_node(value, show(s.t[value][1][0])))]


def backward(s):
    d, p = s.t[s.node("logit_grad_label", "loss")], s.t[s.node("softmax", "loss")]
    labels, h = s.t["index." + s.node("nll", "loss")][1], s.t[s.node("mul_rows", "language_model.model.norm")]
    k, got = labels[0], row(s.t["grad.language_model.lm_head.weight"], labels[0])[0]
    assert f32(sum(Q(row(d, r)[k]) * Q(row(h, r)[0]) for r in range(len(labels)))) == got

    def both(x, column): return "  ".join(show(row(x, r)[column]) for r in range(len(labels)))
    return [equation("p = RN(e^z / sum of e^z) of %s" % s.pieces[k], both(p, k)), equation("dz = RN(c (p - e_y)), c = -1/N", both(d, k)),
            equation("h, the state that lm_head reads", both(h, 0)), equation("dL/dW = RN(sum of dz h)", show(got))]


def update(s):
    name, k = "language_model.lm_head.weight", s.t["index." + s.node("nll", "loss")][1][0]
    norm_of, factor = (s.t[next(n["output"] for n in s.trace["nodes"] if n["op"] == op)][1][0] for op in ("square_norm", "clip_factor"))
    gradients = [x[1] for key, x in s.t.items() if key.startswith("grad.") and not key.startswith("grad.t")]
    assert f32(root(sum(Q(v) ** 2 for x in gradients for v in x))) == norm_of
    attrs = next(n for n in reversed(s.trace["nodes"]) if n["op"] == "adamw")["attrs"]
    lr, eps = (Q(float.fromhex(attrs[x + ".hex"])) for x in ("lr", "eps"))
    c1, c2 = (1 - f32(Q(beta)) for beta in ("0.9", "0.98"))
    g, m, v, old, new = (row(s.t[part + name], k)[0] for part in ("grad.", "adam.m.", "adam.v.", "param.", "after."))
    exact = Q(old) - lr * (Q(m) / Q(c1) / (root(Q(v) / Q(c2)) + eps))
    assert f32(exact) == new
    return [equation("G = RN(|g|) over all weights", show(norm_of)), equation("k = RN(1 / (G + 1e-6))", show(factor)),
            equation("g' = RN(k g)", show(f32(Q(factor) * Q(g)))), equation("m' = RN(0.9 m + (1 - 0.9) g'), m = 0", show(m)),
            equation("v' = RN(0.98 v + (1 - 0.98) g'^2), v = 0", show(v)), equation("w, before", bits(old)),
            equation("w - lr (m'/c1 / (sqrt(v'/c2) + eps))", digits(exact, 20)), equation("w', the nearest float", bits(new))]


def after(s):
    return [equation("CE before the step", show(-s.trace["loss"]["value"])),
            equation("CE of the new weights", show(-s.again["loss"]["value"])),
            equation("the numbers in the trace", "%d nodes, digest %s…" % (len(s.trace["nodes"]), s.trace["digest"][:16]))]


def blocks():
    s = Step()
    return {f.__name__: f(s) for f in (picture, prompt, patch, norm, features, attention, loss, backward, update, after)}
