# SPDX-License-Identifier: MIT
# environments: jax
"""pulse_capture_jax.py on a plain LLaVA in JAX: for steps of GA and NPO, the tensors of modules and those at the end are within
the noise; a mistake is outside."""
import json
import os
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.join("ref", "python"), os.path.join("tests", "python")]
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import llava_jax  # noqa: E402
import numpy as np  # noqa: E402
import pulse_capture_jax as capture  # noqa: E402
from support import check, finish  # noqa: E402

PULSE, FOLDER = os.environ.get("PULSE", "build/pulse-ref"), tempfile.TemporaryDirectory()
MODEL = "fixtures/vectors/v1/models/tiny-llava-b"
with open(MODEL + "/config.json") as f:
    CONFIG = json.load(f)


def nll(z, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(z), jnp.asarray(labels)[:, None], 1)[:, 0]


def ga(p, s, tap):
    return -nll(llava_jax.logits(p, CONFIG, s.rows, tap), s.rows["labels"]).mean()


def npo(p, s, tap):
    one = nll(llava_jax.logits(p, CONFIG, s.rows, tap), s.rows["labels"]) - nll(jnp.asarray(s.rows["reference.forget"]), s.rows["labels"])
    d = jnp.stack([one[a:b].sum() for a, b in zip(s.rows["offsets"], s.rows["offsets"][1:])])
    beta = float(np.float32(0.1))
    return -2 / beta * jax.nn.log_sigmoid(beta * d).mean()


def adamw(p, g, lr=np.float32(1e-3), b1=np.float32(.9), b2=np.float32(.98), eps=np.float32(1e-8)):
    """The first AdamW step, without decay, with gradients that are clipped to a norm of 1."""
    factor = jnp.minimum(1, 1 / (jnp.sqrt(sum((x * x).sum() for x in g.values())) + 1e-6))
    m = {k: (1 - b1) * factor * x for k, x in g.items()}
    v = {k: (1 - b2) * (factor * x) ** 2 for k, x in g.items()}
    return {k: p[k] - lr * (m[k] / (1 - b1)) / (jnp.sqrt(v[k] / (1 - b2)) + eps) for k in g}, m, v


def run(method, loss_of, jit=True):
    trace = "%s/%s" % (FOLDER.name, method)
    command = [PULSE, "trace", "--model", MODEL, "--batch", MODEL + "/batch.jsonl", "--method", method, "--set", "train.trainable=full"]
    command += ["--set", "unlearn.beta=0.1"]
    subprocess.run(command + ["--out", trace], check=True, stdout=subprocess.DEVNULL)
    s = capture.Step(trace, FOLDER.name + "/got.safetensors", program=PULSE)
    p = s.params()
    both = jax.value_and_grad(lambda p: loss_of(p, s, s.tap))
    loss, grads = (jax.jit(both) if jit else both)(p)
    after, m, v = adamw(p, grads)
    s.ends(loss=loss, grads=grads, after=after, m=m, v=v)
    with open(os.devnull, "w") as nowhere:
        return s.report(partial=False, file=nowhere), s


def right(method, loss_of, jit):
    status, s = run(method, loss_of, jit)
    assert status == 0, [f for f in s.findings if f["verdict"] not in ("WITHIN", "BITEXACT", "NOISY")][:5]
    assert sum(f["where"].startswith("hooked.") for f in s.findings) >= 30 and sum(f["where"].startswith("after.") for f in s.findings) > 50


def wrong():
    status, s = run("npo", lambda p, s, tap: npo(p, s, tap) / 2)
    first = next(f for f in s.findings if f.get("first"))
    assert status == 1 and first["first"] == "hooked.language_model.lm_head@grad.out", first


def unknown_module():
    s = capture.Step(FOLDER.name + "/npo", FOLDER.name + "/got.safetensors", program=PULSE)
    s.tap("language_model.model.layers.9.mlp", jnp.zeros((2, 3)))
    try:
        s.report()
    except ValueError as e:
        assert "has no module language_model.model.layers.9.mlp" in str(e), e
        return
    raise AssertionError("it was accepted")


check("a step of GA is within, hooked and at the ends, under jit", lambda: right("ga", ga, True))
check("a step of NPO is within, without jit", lambda: right("npo", npo, False))
check("half of NPO's loss is outside, first at the gradient of the logits", wrong)
check("a module that the trace does not have is refused", unknown_module)
finish()
