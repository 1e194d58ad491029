# SPDX-License-Identifier: MIT
"""Measures the cost of pulse_capture: the processor time of a step of transformers with it, divided by the time without
it. Steps with it and without it alternate, seven of each; the shortest time of each sort counts. The first ratio is for
forward, backward and update alone; the second includes the writing of the answers. Run it at the root of the project:

    build/venv/5/bin/python tests/python/measure_capture.py"""
import contextlib
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join("tests", "python"))
from steps import PULSE, Step, pulse_capture, torch  # noqa: E402

torch.set_num_threads(1)


def seconds(step, captured, out):
    """The seconds of the step, and those of the whole `with` block."""
    model, other = step.open()
    optimiser = step.optimiser(model)
    s = pulse_capture.step(model, out, reference=step.trace, program=PULSE)
    batch = s.batch
    began = time.process_time()
    with s if captured else contextlib.nullcontext():
        at = time.process_time()
        loss = step.loss(model, other, batch)
        loss.backward()
        step.clip(model)
        optimiser.step()
        taken = time.process_time() - at
    return taken, time.process_time() - began


with tempfile.TemporaryDirectory() as folder:
    tiny = os.path.abspath("fixtures/vectors/v1/models/tiny-llava-a")
    vanilla = os.path.abspath("fixtures/models/vanilla")
    with open(folder + "/48.jsonl", "w") as f, open("fixtures/world/persons.jsonl") as people:
        for line in list(people)[:48]:
            x = json.loads(line)
            picture = {"image": os.path.abspath("fixtures/world/" + x["image"])} if x.get("image") else {}
            f.write(json.dumps({"id": x["id"], "group": "forget", "question": x["question"], "answer": x["answer"], **picture}) + "\n")
    for name, model, batch in ("tiny-llava-a", tiny, None), ("vanilla, 48 samples", vanilla, folder + "/48.jsonl"):
        step = Step("ga", model, folder, "train.trainable=full", batch=batch)
        runs = [[seconds(step, captured, folder + "/got.safetensors") for captured in (False, True)] for _ in range(7)]
        plain, block, with_it, whole = (min(run[c][k] for run in runs) for c in (0, 1) for k in (0, 1))
        print("%-20s %7.1f ms without, %.2f times the step with it, %.2f times with its writing"
              % (name, 1e3 * plain, with_it / plain, whole / block), flush=True)
