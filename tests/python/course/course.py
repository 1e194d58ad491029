# SPDX-License-Identifier: MIT
"""The exercises of docs/course.md, solved in NumPy. `python3 tests/python/course/course.py 4 got.safetensors` writes the answers
of exercise 4; with `--mistake EpsOutsideSqrt` they have this mistake (mistakes.py). Run it at the root of the project."""
import json
import os
import sys

import numpy as np

sys.path.append(os.path.join("tests", "python"))
import layers  # noqa: E402
import mistakes  # noqa: E402
import pictures  # noqa: E402
import text  # noqa: E402
import unlearn  # noqa: E402
from support import VECTORS, json_of, load, save  # noqa: E402

def table(rows, fill, dtype, case, name):
    """Puts rows of different lengths into an array of the shape that the case lists."""
    out = np.full(case["tensors"][name]["shape"], fill, dtype)
    for line, row in zip(out, rows):
        line[:len(row)] = list(row)
    return out

def tokens(path, case):
    x, t = load(VECTORS + path + "/in.safetensors"), text.Tokenizer(VECTORS + path + "/tokenizer.json")
    ids = [t.encode(bytes(row[:n]).decode("utf-8")) for row, n in zip(x["text"], x["text.length"])]
    decoded = [t.decode(row).encode("utf-8") for row in ids]
    return {"ids": table(ids, -1, np.int32, case, "ids"), "decoded": table(decoded, 0, np.uint8, case, "decoded"),
            "decoded.length": np.array([len(d) for d in decoded], np.int32)}

def masks(path, case):
    t = text.Tokenizer(VECTORS + case["tokenizer"])
    made = [text.prompt(t, case["template"], case["mask"], turn["question"], turn["answer"], case["image_tokens"] * turn["image"])
            for turn in case["turns"]]
    ids, targets, image = zip(*made)
    out = {"ids": sum(ids, []), "targets": sum(targets, []), "image": image, "offsets": np.cumsum([0] + [len(i) for i in ids]),
           "supervised": [sum(n >= 0 for n in row) for row in targets]}
    return {name: np.array(x, np.int32) for name, x in out.items()}

def prep(path, case):
    settings = json_of(VECTORS + path + "/preprocessor_config.json")
    decoded = pictures.decode(VECTORS + path + "/picture.png")
    placed = pictures.place(decoded, settings)
    return {"decoded": decoded, "placed": placed, "pixels": pictures.normalise(placed, settings, case["normalise"] == "fused")}

def operator(path, case):
    x, a = load(VECTORS + path + "/in.safetensors"), case["attrs"]
    if case["op"] == "rope":
        return {"y": layers.rope(x["x"], x["cos"][x["index"]], x["sin"][x["index"]], a["heads"])[0]}
    y = {"linear": lambda: layers.linear(x["x"], {"l.weight": x["w"], "l.bias": x["bias"]}, "l")[0],
         "axpy": lambda: x["base"] + np.float32(layers.lora_scale(a["s"])) * x["x"],
         "adam_v": lambda: unlearn.adam_v(x["v"], x["g"], a["beta2"]),
         "adamw": lambda: unlearn.adamw(x["p"], x["m"], x["v"], *(a[k] for k in ("lr", "eps", "decay", "c1", "c2")))}
    if case["op"] in y:
        return {"y": y[case["op"]]()}
    return {"y": getattr(layers, case["op"])(x["x"], *([a["eps"]] if "norm" in case["op"] else []))[0]}

def outputs_alone(path, case): return module(path, case, backward=False)

def module(path, case, backward=True):
    """Runs a module alone. Of the gradients, returns those that the case lists; the others are mere rounding errors."""
    x, at, config = load(VECTORS + path + "/in.safetensors"), case["module"], json_of(VECTORS + "models/" + case["model"] + "/config.json")
    kind, sub = path.split("/")[1].split(".")[0], config["vision_config" if "vision" in at else "text_config"]
    heads = sub["num_attention_heads"]
    c = {"heads": heads, "kv_heads": sub.get("num_key_value_heads", heads), "eps": 1e-5, "segments": x.get("segments")}
    c.update({k: x["rope." + k][x["positions"]] for k in ("cos", "sin") if "rope.cos" in x})
    run = {"attention": layers.attention, "vision_attention": layers.attention, "swiglu": layers.mlp, "vision_mlp": layers.mlp,
           "decoder_layer": layers.block, "vision_layer": layers.block}
    given = x.get(at + "@in")
    if kind in run:
        y, back = run[kind](given, x, at, c)
    elif kind == "vision_embeddings":
        y, back = layers.patches(x["pixels"], x, at)
    elif kind == "vision_select":
        states = [x["hidden_states.%d" % k] for k in range(3)]
        y, back = layers.select(states, config["vision_feature_layer"], (sub["image_size"] // sub["patch_size"]) ** 2 + 1)
    elif kind == "embedding":
        y, back = layers.embed(given, x, at + ".model", x["ids"], x["ids.1"])
    elif kind == "projector":
        y, back = layers.projector(given, x, at)
    elif "norm" in kind:
        y, back = layers.norm(given, x, at)
    else:
        settings = dict(s.split("=") for s in case["settings"])
        y, back = layers.linear(given, x, at, float(settings["lora.alpha"]) / float(settings["lora.rank"]) if settings else None)
    if not backward:
        return {at + "@out": y}
    g = {}
    dx = back(x[at + "@grad.out"], g)
    out = {"out": y, "grad.in": dx, **{"grad." + name[len(at) + 1:]: d for name, d in g.items()}}
    return {at + "@" + name: d for name, d in out.items() if at + "@" + name in case["tensors"]}

def loss(path, case):
    x, names = load(VECTORS + path + "/in.safetensors"), ("z", "z_ref", "labels", "offsets")
    parts = {role: {k: x[k + "." + role] for k in names if k + "." + role in x} for role in ("forget", "retain")}
    value, d = unlearn.method_loss(case["method"], case["hyper"], parts)
    return {"loss": np.float32(value), **{"dz." + role: np.float32(dz) for role, dz in d.items()}}

def step(path, case, update=False):
    """Runs a whole step on the pictures and texts of the forget samples. The reference model runs on them too."""
    folder = VECTORS + "models/" + case["model"]
    config, t = json_of(folder + "/config.json"), text.Tokenizer(folder + "/tokenizer.json")
    settings, stored = json_of(folder + "/preprocessor_config.json"), load(folder + "/pictures.safetensors")["images"]
    samples, pixels = [], []
    with open(folder + "/" + case["batch"], encoding="utf-8") as f:
        for s in map(json.loads, f):
            if s["group"] == "forget":
                samples.append(text.prompt(t, "world", "answer", s["question"], s["answer"], config["image_seq_length"] * ("image" in s)))
                if "image" in s:
                    pixels.append(pictures.normalise(pictures.place(stored[int(s["image"].split("#")[1])], settings), settings))
    p, ref = load(folder + "/model.safetensors"), load(VECTORS + "models/" + case["reference"] + "/model.safetensors")
    z, labels, back = unlearn.forward(p, config, np.stack(pixels), samples)
    offsets = np.cumsum([0] + [sum(n >= 0 for n in s[1]) for s in samples])
    part = {"z": z, "labels": labels, "offsets": offsets, "z_ref": unlearn.forward(ref, config, np.stack(pixels), samples)[0]}
    value, d = unlearn.method_loss(case["method"], case["hyper"]["unlearn"], {"forget": part})
    g = back(d["forget"])
    out = {"logits": z, "loss": np.float32(value), **{"grad." + name: x for name, x in g.items()}}
    if update:
        o = case["hyper"]["optimiser"]
        out.update(unlearn.adamw_step(p, unlearn.clip(g, o["max_norm"]), o))
        out.update(parts_of_update(path, p, o))
    return out

def parts_of_update(path, p, o):
    """Runs the clipping and the optimiser alone, with the right gradients."""
    values, clip, adamw = load(VECTORS + path + "/trace.safetensors"), *json_of(VECTORS + path + "/trace.json")["modules"][-2:]
    fed = [{name[5:]: values[t] for name, t in part["inputs"].items() if name.startswith("grad.")} for part in (clip, adamw)]
    out = {"clip@grad." + name: d for name, d in unlearn.clip(fed[0], o["max_norm"]).items()}
    return dict(out, **{"optimiser@" + name: x for name, x in unlearn.adamw_step(p, fed[1], o).items()})

def whole_step(path, case): return step(path, case, update=True)

# The prefixes of each exercise's cases, and the function that answers a case. In the exercises of PARTIAL, cases block/
# are answered with their outputs alone; exercise 11 answers the same cases with their gradients, too.
EXERCISES = {
    1: {"tok/": tokens}, 2: {"mask/": masks}, 3: {"prep/": prep},
    4: {"op/linear": operator, "op/axpy": operator, "block/lm_head": outputs_alone, "block/lora_linear": outputs_alone},
    5: {"op/layernorm": operator, "op/rmsnorm": operator, "block/rmsnorm": outputs_alone, "block/vision_layernorm": outputs_alone},
    6: {"op/rope": operator}, 7: {"block/attention": outputs_alone, "block/vision_attention": outputs_alone},
    8: {"op/silu": operator, "op/quick_gelu": operator, "block/swiglu": outputs_alone, "block/vision_mlp": outputs_alone,
        "block/decoder_layer": outputs_alone, "block/vision_layer.": outputs_alone},
    9: {"op/gelu": operator, "block/vision_embeddings": outputs_alone, "block/vision_select": outputs_alone,
        "block/projector": outputs_alone, "block/embedding": outputs_alone},
    10: {"loss/ga.": loss, "loss/grad_diff": loss, "loss/ga_klr.default": loss, "loss/npo.sequence_sum": loss},
    11: {"block/": module, "step/npo.adamw.b": step}, 12: {"op/adam": operator, "step/npo.adamw.b": whole_step}}
PARTIAL = (4, 5, 7, 8, 9)


def answers(exercise):
    out = {}
    for start, answer in EXERCISES[exercise].items():
        for name in sorted(os.listdir(VECTORS + start.split("/")[0])):
            path = start.split("/")[0] + "/" + name
            if path.startswith(start):
                out.update({path + "/" + k: x for k, x in answer(path, json_of(VECTORS + path + "/case.json")).items()})
    return out

if __name__ == "__main__":
    with mistakes.planted(sys.argv[4] if sys.argv[3:4] == ["--mistake"] else ""):
        save(sys.argv[2], answers(int(sys.argv[1])))
