# SPDX-License-Identifier: MIT
# environments: 5 4
"""The wheel's pulse.py beside torch in one process: OpenMP, tensors of torch, fork, threads, flushed subnormals. Run by
`make test-python`."""
import glob
import os
import subprocess
import sys
import tempfile
import threading
import zipfile

sys.path.insert(0, os.path.join("tests", "python"))
FOLDER = tempfile.TemporaryDirectory()
with zipfile.ZipFile(glob.glob(os.path.join(os.environ.get("BUILD", "build"), "wheel", "pulseref-*.whl"))[0]) as wheel:
    wheel.extractall(FOLDER.name)
sys.path.insert(0, FOLDER.name)
os.environ.pop("PULSEREF_LIBRARY", None)
import torch  # noqa: E402
import numpy as np  # noqa: E402
import pulse  # noqa: E402
from support import check, finish, raises, same_bits  # noqa: E402

torch.manual_seed(0)
X, W = torch.randn(64, 96), torch.randn(80, 96)


def runtimes():
    """The OpenMP libraries that this process has loaded."""
    with open("/proc/self/maps") as f:
        return {os.path.basename(line.split()[-1]) for line in f if "gomp" in line or "libiomp" in line or "libomp" in line}


def one_runtime():
    torch.mm(X, X.T)
    before = runtimes()
    pulse.op("linear", X, W)
    assert pulse.__file__.startswith(FOLDER.name) and runtimes() == before, runtimes()


def other_order():
    said = subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, %r)\nimport pulse, numpy\n"
                           "a = numpy.full((300, 300), 0.1, numpy.float32); y = pulse.op('linear', a, a)\nimport torch\n"
                           "z = torch.mm(torch.from_numpy(a), torch.from_numpy(a))\n"
                           "print(y.tobytes() == pulse.op('linear', torch.from_numpy(a), a).tobytes(), abs(z.numpy() - y).max() < 1e-4)" % FOLDER.name],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said == "True True\n", said


def tensors():
    want = pulse.op("linear", X.numpy(), W.numpy())
    same_bits(pulse.op("linear", X, W), want)
    same_bits(pulse.op("linear", X, torch.nn.Parameter(W)), want)
    same_bits(pulse.op("linear", X, W.bfloat16()), pulse.op("linear", X, W.bfloat16().float()))
    same_bits(pulse.op("linear", X, W.half()), pulse.op("linear", X, W.half().float()))
    same_bits(pulse.from_bf16(pulse.to_bf16(X)), X.bfloat16().float().numpy())
    labels = torch.randint(0, 96, (64,))
    same_bits(pulse.op("nll", X, labels=labels), pulse.op("nll", X, labels=labels.int()))
    raises("bad input", "use x.contiguous()", lambda: pulse.op("linear", X, W.T))
    raises("bad input", "use x.contiguous()", lambda: pulse.op("linear", X, W.bfloat16().T))
    raises("bad input", "float64, expected", lambda: pulse.op("softmax", X.double()))
    raises("bad input", "bf16", lambda: pulse.op("softmax", X.bfloat16()))
    raises("bad input", "on the device meta", lambda: pulse.op("softmax", X.to("meta")))


def verdicts():
    pulse.assert_close(torch.softmax(X, -1), "softmax", X)
    pulse.assert_close(torch.nn.functional.layer_norm(X, (96,)), "layernorm", X, eps=1e-5)
    pulse.assert_close(torch.nn.functional.silu(X), "silu", X)
    pulse.assert_close(torch.nn.functional.gelu(X.double()).float(), "gelu", X)
    pulse.assert_close(torch.nn.functional.linear(X, W), "linear", X, W)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = torch.nn.functional.linear(X, W)
    assert y.dtype == torch.bfloat16
    pulse.assert_close(y, "linear", X, W, precision="bf16")
    for got, name, arrays, how in ((torch.nn.functional.gelu(X, approximate="tanh"), "gelu", (X,), {}), (y, "linear", (X, W), {}),
                                   (torch.softmax(X, 0), "softmax", (X,), dict(precision="bf16"))):
        try:
            pulse.assert_close(got, name, *arrays, **how)
        except AssertionError:
            continue
        raise AssertionError("%s of another formula passed" % name)


def npo():
    """The loss and the gradient of NPO are those of torch's autograd, within 2e-5."""
    z, reference, labels = torch.randn(2, 7, 50, requires_grad=True), torch.randn(2, 7, 50), torch.randint(0, 50, (2, 7))
    labels[:, :3] = -100

    def nll(z):
        return torch.nn.functional.cross_entropy(z.transpose(1, 2), labels, reduction="none", ignore_index=-100).sum(1)
    loss = -2 / 0.1 * torch.nn.functional.logsigmoid(0.1 * (nll(z) - nll(reference))).mean()
    loss.backward()
    right = pulse.loss("npo", forget=dict(logits=z, labels=labels, reference=reference), beta=0.1)
    assert abs(float(loss) - float(right.value)) < 2e-5 * abs(float(right.value)), (loss, right.value)
    torch.testing.assert_close(z.grad, torch.from_numpy(right.gradient["forget"]), rtol=2e-5, atol=2e-6)


def adamw():
    """Three steps are those of torch.optim.AdamW with the same gradients, within 1e-6."""
    p = torch.nn.Parameter(W.clone())
    theirs = torch.optim.AdamW([p], lr=1e-2, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)
    ours, w = pulse.Optimiser(kind="adamw", lr=1e-2, beta2=0.98, weight_decay=0.1, max_norm=0), W.numpy()
    for _ in range(3):
        p.grad = torch.randn_like(W)
        theirs.step()
        w = ours.step({"w": w}, {"w": p.grad})["w"]
    torch.testing.assert_close(p.detach(), torch.from_numpy(w), rtol=1e-6, atol=1e-6)


def flushed():
    """torch.set_flush_denormal changes the floating-point environment of the thread: calls are refused until it is restored."""
    try:
        assert torch.set_flush_denormal(True)
        raises("environment", "", lambda: pulse.op("softmax", X))
    finally:
        torch.set_flush_denormal(False)
    pulse.op("softmax", X)


def together():
    """One thread multiplies with torch while two others ask pulse."""
    want, failures, stop = pulse.op("linear", X, W), [], threading.Event()

    def theirs():
        a = torch.randn(400, 400)
        while not stop.is_set():
            torch.mm(a, a)

    def ours():
        try:
            for _ in range(30):
                same_bits(pulse.op("linear", X, W), want)
        except Exception as e:
            failures.append(e)
    both = [threading.Thread(target=f) for f in (theirs, ours, ours)]
    [t.start() for t in both]
    [t.join() for t in both[1:]]
    stop.set()
    both[0].join()
    assert not failures, failures


def forked():
    a = torch.randn(300, 300)
    want = pulse.op("linear", a, a)
    torch.mm(a, a)
    child = os.fork()
    if child == 0:
        os._exit(0 if pulse.op("linear", a, a).tobytes() == want.tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def shared():
    y = pulse.op("softmax", X)
    t = torch.from_numpy(y)
    t += 1
    assert np.isclose(y.sum(), 64 * 97, rtol=1e-5)


check("a call of the wheel's pulse.py loads no OpenMP library beside those that are loaded", one_runtime)
check("importing pulse first and torch afterwards works as well", other_order)
check("parameters, bfloat16, float16 and labels of int64 are read; other tensors are refused", tensors)
check("torch's softmax, layer_norm, gelu and linear are close, at fp32 and under autocast; other formulas are not", verdicts)
check("NPO's loss and gradient are those of autograd", npo)
check("AdamW's steps are torch's", adamw)
check("flushed subnormals are an error of the environment", flushed)
check("torch and pulse work at the same time", together)
check("after fork() the child gives the same bits", forked)
check("results of pulse can become tensors without a copy", shared)
finish()
