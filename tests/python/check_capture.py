# SPDX-License-Identifier: MIT
# environments: 5 4
"""pulse_capture.py on steps that users write with transformers, peft and torch.optim (steps.py).

Right steps are WITHIN, at fp32 and under autocast. Each module, fed with the right input, is within its bounds, and its
error has the size of the estimated noise. Planted mistakes are OUTSIDE, or are printed as not detected at that precision.
`CAPTURE_STEPS=N` is the number of varied steps that are tried for false alarms."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join("tests", "python"))
import steps  # noqa: E402
from mistakes import MISTAKES  # noqa: E402
from steps import LOSSES, MODELS, PULSE, Step, pulse_capture, torch  # noqa: E402
from support import check, finish  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
OUT = FOLDER.name + "/got.safetensors"
FULL, LORA = "train.trainable=full", "train.trainable=proj+llm lora.rank=3 lora.alpha=6"
A, B = "tiny-llava-a", "tiny-llava-b"
VARIED = int(os.environ.get("CAPTURE_STEPS", 24))


def outside(findings):
    return [f["where"] for f in findings if f["verdict"] in ("OUTSIDE", "MIS-SHAPED")]


# --- names ---
def layouts():
    layer, tail = "language_model.model.layers.3.mlp.up_proj", "vision_tower.vision_model.encoder.layers.0.mlp.fc1"
    for name in ("model.language_model.layers.3.mlp.up_proj", "model.layers.3.mlp.up_proj", layer, "module." + layer,
                 "base_model.model." + layer, "_orig_mod.module." + layer,
                 "base_model.model.model.language_model.layers.3.mlp.up_proj.base_layer"):
        assert pulse_capture.canonical(name) == layer, name
    for name in (tail, "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1", "model.vision_tower.encoder.layers.0.mlp.fc1",
                 "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1", "vision_tower.encoder.layers.0.mlp.fc1"):
        assert pulse_capture.canonical(name) == tail, name
    projector = "multi_modal_projector.linear_"
    for name, hub in (("model.mm_projector.2.bias", projector + "2.bias"), ("lm_head.weight", "language_model.lm_head.weight"),
                      ("model.embed_tokens.weight", "language_model.model.embed_tokens.weight"),
                      ("model.norm", "language_model.model.norm"),
                      ("base_model.model.lm_head.lora_A.default.weight", "language_model.lm_head.lora_A.weight"),
                      ("base_model.model.model.multi_modal_projector.modules_to_save.default.linear_1.weight", projector + "1.weight")):
        assert pulse_capture.canonical(name) == hub, (name, pulse_capture.canonical(name))


# --- right steps ---
def right(step, autocast):
    status, findings, said, s = step.run(OUT, autocast)
    assert status == 0 and not outside(findings), said
    assert s.precision == ("bf16-mixed" if autocast else "fp32") and not s.notes, s.notes
    wanted = ["loss", "logits"] + [k for k in s.trace.x if k.startswith(("grad.", "after.", "adam.")) and not k.startswith("grad.t")]
    wanted += ["hooked.%s@%s" % (path, what) for path, m in s.trace.modules.items() for what in ("in", "out", "grad.in", "grad.out")
               if (what in m or what in m["answers"]) and pulse_capture.SOURCES.get((path, what), "") is not None
               and path not in ("clip", "optimiser")]
    assert set(wanted) <= set(s.got), sorted(set(wanted) - set(s.got))


def varied(autocast):
    """The reports of varied right steps that are not within."""
    alarms, methods = [], list(LOSSES)
    for k in range(VARIED):
        model, batch = steps.varied((A, B)[k % 2], k, FOLDER.name)
        settings = (FULL, LORA, FULL + " optimiser.weight_decay=0.1 optimiser.max_norm=0",
                    "train.trainable=proj+llm lora.rank=2 lora.alpha=8 optimiser.lr=1e-4",
                    FULL + " optimiser.kind=sgd optimiser.lr=1e-3 optimiser.momentum=0.9")[k % 5]
        step = Step(methods[k % len(methods)], model, FOLDER.name, settings, batch)
        status, findings, said, s = step.run(OUT, autocast)
        if status:
            alarms.append("%d, %s %s: %s" % (k, step.method, settings, said))
    return alarms


def no_false_alarm(autocast):
    alarms = varied(autocast)
    print("# false alarms at %s: %d of %d steps" % ("bf16-mixed" if autocast else "fp32", len(alarms), VARIED))
    assert not alarms, "\n".join(alarms)


# --- feeding ---
def fed():
    """Each module alone is within its bounds. The root mean square of its errors is between 0.1 and 3 times the noise, except that
    at most three modules have down to 0.05. The optimiser is left out."""
    each = {}
    for method, model, settings in (("npo", B, FULL), ("ga_klr", A, LORA), ("grad_diff", A, FULL)):
        step = Step(method, model, FOLDER.name, settings)
        own, _ = step.open()
        assert pulse_capture.feed(own, step.trace, OUT, program=PULSE, optimiser=step.optimiser(own), file=sys.stderr) == 0
        _, findings, _ = pulse_capture.verdict(step.trace, OUT, PULSE)
        assert len({f["where"].split("@")[0] for f in findings}) >= 40
        for f in findings:
            if f.get("noise") and not f["where"].startswith("optimiser@"):
                each.setdefault((method, f["where"].split("@")[0]), []).append(f["ratio"])
    ratios = {k: (sum(r * r for r in rs) / len(rs)) ** .5 for k, rs in each.items()}
    low, high = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    print("# rms(PyTorch - right) / noise of %d fed modules: %.2g (%s) to %.2g (%s)" % (len(ratios), ratios[low], low, ratios[high], high))
    below = ["%s %s" % k for k, r in ratios.items() if r < .1]
    print("# below 0.1: %s" % (", ".join(below) or "none"))
    assert len(ratios) > 100 and len(below) <= 3 and all(0.05 <= r <= 3 for r in ratios.values()), ratios


# --- planted mistakes ---
# {name of a mistake in mistakes.py: the name that verify prints for it (ref/verify/known/)}
KNOWN = {k: k for k in ("GeluTanh", "QuickGeluMissing", "GqaTiled", "GateUpSwapped", "ChannelsSwapped", "RopeTheta", "NpoOneOverBeta", "NpoSign",
                        "SumNotMean", "KlReversed", "LoraNoScale", "LoraScaleTwice", "ClipMissing", "ClipPerTensor", "DecayCoupled")}
KNOWN.update(RmsNormPlusOne="NormPlusOne", VisionSoftmaxScale="VisionScaleMissing")
C = 6                                                     # the factor `rms` of bf16-mixed in ref/trace/tolerance.h


def run_planted(name, autocast):
    method, model, settings, plant = MISTAKES[name]
    step = Step(method, model, FOLDER.name, settings, reference=MODELS + model + "-reference" if "lora" not in settings else None)
    with plant(step) as how:
        status, findings, said, _ = step.run(OUT, autocast, **(how if isinstance(how, steps.How) else {}))
    assert status in (0, 1), said
    return step, status, findings, said


def effect(name):
    """The largest effect of the mistake on a step at fp32: the root mean square of wrong - right, divided by the noise of
    bf16-mixed."""
    step, _, _, _ = run_planted(name, False)
    _, findings, _ = pulse_capture.verdict(step.trace, OUT, PULSE, "bf16-mixed")
    return max(f["ratio"] for f in findings if f["verdict"] in ("WITHIN", "OUTSIDE") and isinstance(f.get("ratio"), float))


def planted(autocast):
    """A mistake is outside, and the report names a place, or the mistake is missed, and is printed. At fp32 at most
    three are missed. Under autocast the effect of each missed one is printed, too, and must be below 3 C."""
    missed, named = [], {}
    for name in MISTAKES:
        _, status, findings, said = run_planted(name, autocast)
        if status == 0:
            missed.append(name)
        else:
            assert "first: " in said, said
            named[name] = sorted({f["mistake"] for f in findings if f.get("mistake")})
    at = "bf16-mixed" if autocast else "fp32"
    print("# planted at %s: %d outside; not told apart: %s" % (at, len(named), ", ".join(missed) or "none"))
    right = [k for k, v in named.items() if v == [KNOWN.get(k)]]
    print("# named at %s: %s; with another name: %s" % (at, ", ".join(right),
                                                        {k: v for k, v in named.items() if v and v != [KNOWN.get(k)]} or "none"))
    assert not any(v and v != [KNOWN.get(k)] for k, v in named.items()), named
    if not autocast:
        assert len(missed) <= 3, missed
        return
    effects = {name: effect(name) for name in missed}
    print("# effects of those at bf16-mixed: %s" % ", ".join("%s %.2g" % kv for kv in effects.items()))
    assert all(e < 3 * C for e in effects.values()), effects


# --- what does not fit ---
def other_ids():
    step = Step("ga", B, FOLDER.name, FULL)
    model, other = step.open()
    with pulse_capture.step(model, OUT, step.trace, program=PULSE, update=False) as s:
        ids = s.batch["forget"]["input_ids"]
        ids[1, 5] = (ids[1, 5] + 1) % 200
        step.loss(model, other, s.batch).backward()
    assert any("row 1 is not a sample of the trace; the nearest is f1, which differs at position 5" in n for n in s.notes), s.notes
    assert s.notes[0].split("(")[1].split(":")[0].endswith("steps.py"), s.notes


def no_update():
    step = Step("ga", B, FOLDER.name, FULL)
    model, other = step.open()
    with pulse_capture.step(model, OUT, step.trace, program=PULSE) as s:
        step.loss(model, other, s.batch).backward()
    with open(os.devnull, "w") as nowhere:
        assert s.report(file=nowhere) == 1
    assert any("no optimiser" in n for n in s.notes) and any("not updated" in f["what"] for f in s.findings)


def other_names():
    """A model with other names of modules is captured if names= maps them; without names= it is refused."""
    step = Step("ga", B, FOLDER.name, FULL)
    model, other = step.open()
    holder = torch.nn.ModuleDict({"mine": model})
    holder.config, holder.forward = model.config, lambda **how: model(**how)
    try:
        with pulse_capture.step(holder, OUT, step.trace):
            raise AssertionError("it was accepted")
    except ValueError as e:
        assert "names=" in str(e), e
    with pulse_capture.step(holder, OUT, step.trace, names=lambda n: pulse_capture.canonical(n[5:]), update=False, program=PULSE) as s:
        step.loss(holder, other, s.batch).backward()
    with open(os.devnull, "w") as nowhere:
        assert s.report(file=nowhere) == 0 and not s.notes, s.notes


def padded_left():
    """A batch that is padded on the left, with all roles in one forward pass."""
    step = Step("grad_diff", B, FOLDER.name, FULL)
    model, other = step.open()
    with pulse_capture.step(model, OUT, step.trace, program=PULSE, update=False) as s:
        f, r = s.batch["forget"], s.batch["retain"]
        width = max(f["input_ids"].shape[1], r["input_ids"].shape[1]) + 2
        pad = lambda t, v: torch.nn.functional.pad(t, (0, width - t.shape[1]), value=v)
        both = {k: torch.cat([pad(f[k], v), pad(r[k], v)]) for k, v in (("input_ids", 0), ("attention_mask", 0), ("labels", -100))}
        order = [torch.argsort(row, stable=True) for row in both["attention_mask"]]
        both = {k: torch.stack([row[o] for row, o in zip(t, order)]) for k, t in both.items()}
        positions = (both["attention_mask"].cumsum(1) - 1).clamp(min=0)
        z = model(input_ids=both["input_ids"], attention_mask=both["attention_mask"], position_ids=positions,
                  pixel_values=torch.cat([f["pixel_values"], r["pixel_values"]])).logits
        n = len(f["input_ids"])
        roles = {"forget": steps.Role(z[:n], {"labels": both["labels"][:n]}), "retain": steps.Role(z[n:], {"labels": both["labels"][n:]})}
        LOSSES["grad_diff"](roles, step.h).backward()
    with open(os.devnull, "w") as nowhere:
        assert s.report(file=nowhere) == 0 and not s.notes, (s.notes, outside(s.findings)[:5])


check("the names of three layouts, of PEFT and of wrappers are translated to those of one layout", layouts)
# hooked: the inputs and outputs of the modules; ends: loss, gradients, moments, new weights (docs/verify-yours.md)
for precision, cast in (("fp32", False), ("bf16 autocast", True)):
    for method, model, settings in (("ga", A, FULL), ("npo", B, FULL), ("ga_klr", A, LORA), ("dpo", B, LORA)):
        check("a step of %s is within, hooked and at the ends, at %s" % (method, precision),
              lambda: right(Step(method, model, FOLDER.name, settings), cast))
check("fed modules are within their bounds; the estimated noise has the size of PyTorch's errors", fed)
check("no false alarm on varied steps at fp32", lambda: no_false_alarm(False))
check("no false alarm on varied steps under bf16 autocast", lambda: no_false_alarm(True))
check("planted mistakes are outside at fp32, except for three at most", lambda: planted(False))
check("planted mistakes are outside under bf16 autocast, or are printed", lambda: planted(True))
check("a pass of other ids is refused with the line of the call", other_ids)
check("a step without its update is outside", no_update)
check("modules with other names are mapped by names=, or refused with a sentence", other_names)
check("a batch of all roles that is padded on the left is within", padded_left)
finish()
