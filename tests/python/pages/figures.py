# SPDX-License-Identifier: MIT
"""The figures of docs/figures/, from the program's answers."""
import json
import math
import os
import subprocess
import textwrap

from exact import Q, U, f32
from svg import Drawing

PULSE, CASE = os.environ.get("PULSE", "build/pulse-ref"), "step/grad_diff.sgd.a"
TOWER, WORDS = "vision_tower.vision_model", "language_model.model"


def ratios():
    """{name of an answer of a module: PyTorch's error divided by the noise (root mean squares); None if the bits are the same}"""
    command = [PULSE, "verify", "fixtures/vectors/v1", "fixtures/pytorch/answers.safetensors", "--only", CASE, "--all", "--json"]
    lines = map(json.loads, subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines())
    return {line["where"][len(CASE) + 1:]: line.get("ratio") for line in lines if line.get("where", "").startswith(CASE + "/")}


def operators(owners):
    """{owner: names of the operators of the forward pass}. An operator belongs to the owner with the longest matching path."""
    with open("fixtures/vectors/v1/%s/trace.json" % CASE, encoding="utf-8") as f:
        nodes = json.load(f)["nodes"]
    names = {owner: [] for owner in owners}
    for n in nodes:
        at = [o for o in owners if n["module"] == o or n["module"].startswith(o + ".")]
        if n["phase"] == "forward" and at:
            names[max(at, key=len)].append(n["op"].replace("attention_", "").replace("_rows", ""))
    return {owner: ["%s%s" % (op, " ×%d" % ops.count(op) if ops.count(op) > 1 else "") for op in dict.fromkeys(ops)]
            for owner, ops in names.items()}


def boxes():
    """The columns of the graph: (x, title, boxes). A box is (name, the module that is measured, the module that owns its operators);
    boxes in a list are side by side."""
    def one(name, module, owner=None): return name, module, owner or module

    def language(k):
        at = "%s.layers.%d." % (WORDS, k)
        return [one("input_layernorm", at + "input_layernorm"), [one(n, at + "self_attn.%s_proj" % n) for n in "qkv"],
                one("attention, o_proj", at + "self_attn"), one("post_attention_layernorm", at + "post_attention_layernorm"),
                [one(n + "_proj", at + "mlp.%s_proj" % n) for n in ("gate", "up")],
                one("silu(gate) up, down_proj", at + "mlp.down_proj", at + "mlp"), one("the layer as a whole", at[:-1])]
    layer = TOWER + ".encoder.layers.0."
    tower = [one("embeddings of patches", TOWER + ".embeddings"), one("pre_layrnorm", TOWER + ".pre_layrnorm"),
             one("layer_norm1", layer + "layer_norm1"), [one(n, layer + "self_attn.%s_proj" % n) for n in "qkv"],
             one("attention, out_proj", layer + "self_attn"), one("layer_norm2", layer + "layer_norm2"), one("fc1", layer + "mlp.fc1"),
             one("quick GELU, fc2", layer + "mlp.fc2", layer + "mlp"), one("the layer as a whole", layer[:-1]),
             one("class token left out", TOWER)]
    middle = [one("linear_1", "multi_modal_projector.linear_1"),
              one("GELU, linear_2", "multi_modal_projector.linear_2", "multi_modal_projector"), one("words, picture", "language_model")]
    end = [one("the supervised rows, norm", WORDS + ".norm", WORDS), one("lm_head", "language_model.lm_head"), one("loss", "loss")]
    return [(20, "Vision tower", tower), (272, "Projector, and the words", middle), (524, "Language model, layer 0", language(0)),
            (776, "Layer 1, and the loss", language(1) + end)]


def model():
    """The operators of a LLaVA as a graph, module by module. A bar is PyTorch's error divided by the noise of fp32."""
    d = Drawing(1006, 800, "The operators of the tiny model, and how far PyTorch is off in each module",
                "Each box is a module with its operators. Its bars are PyTorch's error divided by the noise of fp32, forward and backward. "
                "Up to 4, the verdict of verify is WITHIN.")
    r, columns, wide, gap = ratios(), boxes(), 210, 18
    ops = operators([b[2] for _, _, entries in columns for e in entries for b in (e if isinstance(e, list) else [e])])

    def bar(x, y, width, kind, value):
        if value is not None:
            d.rect(kind, x, y, min(value, 1.25) / 1.25 * width, 3.5)

    def lines(owner): return textwrap.wrap(" · ".join(ops[owner]), 41)

    def box(x, y, height, name, module, owner, width):
        out, back = r.get(module + "@out", ""), r.get(module + "@grad.in")
        d.rect("box", x, y, width, height, 4)
        d.text(x + 8, y + 15, name, "small")
        d.text(x + width - 8, y + 15, "same bits" if out is None else out and "%.2f" % out, "soft small", "end")
        for k, line in enumerate(lines(owner)):
            d.text(x + 8, y + 28 + 11 * k, line, "soft tiny")
        bar(x + 8, y + height - 13, width - 16, "one", out or None)
        bar(x + 8, y + height - 7.5, width - 16, "two", back)

    def column(x, y, entries):
        """Boxes one below the other, with arrows."""
        for k, entry in enumerate(entries):
            if k:
                d.arrow([(x + wide / 2, y - gap), (x + wide / 2, y)])
            side = entry if isinstance(entry, list) else [entry]
            height = 35 + 11 * max(len(lines(owner)) for _, _, owner in side)
            for j, one in enumerate(side):
                box(x + j * (wide + 5) / len(side), y, height, *one, (wide + 5) / len(side) - 5)
            y += height + gap
        return y - gap
    d.text(20, 28, "A step of the tiny model: operators, and errors divided by noise", "title")
    d.text(20, 48, "PyTorch 2.13 in fp32, each module fed with the right input. A bar is the root mean square of the error, divided by "
           "that of the noise, which is", "soft small")
    d.text(20, 64, "how much random roundings change the same step. Up to 4, the verdict of verify is WITHIN. A bar of full length is "
           "1.25 or more.", "soft small")
    for x, kind, name in ((20, "one", "forward"),
                          (100, "two", "backward (left out where its proven bound exceeds 1/8 of its largest value)")):
        d.rect(kind, x, 76, 18, 4)
        d.text(x + 24, 82, name, "small")
    ends = []
    for x, name, entries in columns:
        d.text(x, 112, name, "title")
        ends.append(column(x, 132, entries))
    for (x, _, _), (following, _, _), end in zip(columns, columns[1:], ends):
        beside = x + wide + 21
        d.arrow([(x + wide / 2, end), (x + wide / 2, end + 12), (beside, end + 12), (beside, 121), (following + wide / 2, 121),
                 (following + wide / 2, 132)])
    return d.done()


def tiers():
    """Values between two neighbouring floats, and the tier that decides each."""
    d = Drawing(
        760, 348, "The three tiers of the rounding test",
        "If the interval does not hold the half-way point, the float is decided. Otherwise a narrower interval may decide it, and an exact "
        "comparison always does.")
    left, right = 150, 590
    half = (left + right) / 2
    d.text(20, 28, "Which of two neighbouring floats is nearest?", "title")
    d.text(left, 60, "a float", "small", "middle")
    d.text(right, 60, "the next float", "small", "middle")
    d.text(half, 60, "half-way", "small text2", "middle")
    rows = [("binary64", "Half-way is not in the interval: the float on the left. Nearly all values end here.", 0.29, 0.055, True),
            ("binary64", "Half-way is in the interval: undecided.", 0.512, 0.055, False),
            ("double-double", "The same value in a narrower interval: the float on the right. (Sums skip this tier.)", 0.512, 0.006, True),
            ("exact", "No interval: integers give the sign of value - half-way. 0 is a tie, which goes to the even float.", 0.5, 0.0, True)]
    for k, (name, said, at, size, decided) in enumerate(rows):
        y, x = 96 + 58 * k, left + at * (right - left)
        d.text(20, y + 4, name, "")
        d.line("axis", left, y, right, y)
        for end in (left, right):
            d.line("axis", end, y - 8, end, y + 8)
        d.line("half", half, y - 16, half, y + 16)
        if size:
            d.rect("three" if decided else "two", x - size * (right - left), y - 5, 2 * size * (right - left), 10, 3)
        else:
            d.dot("three", x, y, 5)
        d.text(left + 4, y + 27, said, "soft small")
    d.text(20, 334, "Not to scale. Where nothing cancels, the interval of a sum of 4096 products is less than 2^-16 of the step between "
           "two floats.", "soft small")
    return d.done()


def random_pairs(n):
    """n pairs of random fp32 numbers of several sizes."""
    state, out = 1, []
    for _ in range(2 * n):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out.append(f32(Q((state >> 40) - (1 << 23), 1 << 23 + (state >> 37) % 8)))
    return list(zip(out[::2], out[1::2]))


def bounds():
    """Bounds of a sum of n products, in units of one fp32 rounding of its terms, with the measured errors of plain loops."""
    d = Drawing(
        820, 446, "The bound of a sum against one rounding to fp32",
        "A binary64 sum of n products of floats is off by far less than one fp32 rounding, up to millions of terms; an fp32 loop is not.")
    x0, x1, y0, y1, top, low = 80, 600, 370, 70, 8, -36

    def place(n, e): return x0 + math.log2(n) / 24 * (x1 - x0), y1 + (top - e) / (top - low) * (y0 - y1)
    d.text(20, 28, "A sum of n products, and how far it may be off", "title")
    d.text(20, 48, "In units of 2^-24 sum |x w|, which is one rounding to fp32. Both axes are logarithmic.", "soft small")
    for e in range(low, top + 1, 4):
        y = place(1, e)[1]
        d.line("grid", x0, y, x1, y)
        d.text(x0 - 8, y + 4, "2^%d" % e if e else "1", "soft small", "end")
    for n in range(0, 25, 4):
        d.text(place(1 << n, low)[0], y0 + 18, str(1 << n), "soft small", "middle")
    d.text((x0 + x1) / 2, y0 + 38, "n, the number of products", "soft small", "middle")
    sizes = [1 << k for k in range(25)]
    for kind, name, formula in (("line2", "bound of fp32: n", lambda n: math.log2(n)),
                                ("line1", "bound of binary64: (n + 5) / 2^29", lambda n: math.log2(n + 5) - 29)):
        points = [place(n, min(formula(n), top)) for n in sizes if formula(n) <= top]
        d.curve(kind, points)
        d.text(points[-1][0] + 8, points[-1][1] + (14 if kind == "line2" else 4), name, "small text" + kind[-1])
    d.line("half", *place(1, 0), *place(1 << 24, 0))
    d.text(x1 + 8, place(1, 0)[1] + 4, "one fp32 rounding", "small")
    for n in (1 << k for k in range(2, 13)):
        terms = random_pairs(n)
        exact, size = sum(Q(a) * Q(b) for a, b in terms), sum(abs(Q(a) * Q(b)) for a, b in terms)
        one, two = 0.0, 0.0
        for a, b in terms:
            one += a * b
            two = f32(Q(two) + Q(f32(Q(a) * Q(b))))
        for kind, got in (("one", one), ("two", two)):
            off = abs(Q(got) - exact) / size * (1 << 24)
            if off:
                d.dot(kind, *place(n, max(math.log2(off), low)))
    d.text(20, 432, "Dots: the errors of plain loops in fp32 and in binary64 on random numbers. A binary64 sum without an error has "
           "no dot.", "soft small")
    return d.done()


def figures(): return {"docs/figures/%s.svg" % f.__name__: f() for f in (model, tiers, bounds)}
