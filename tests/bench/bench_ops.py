#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of bench_ops with PyTorch's time beside each operator of TWINS: bench_ops.py build/bench_ops

PyTorch (eager, fp32, OMP_NUM_THREADS threads) runs its own operator on tensors of the same shapes, as often as the
training step of bench_ops runs ours; its time is the median of 9 rounds. Our attention and
PyTorch's are compared in one line, because PyTorch fuses scores, scaling, softmax and mix, forward and backward."""
import functools, os, re, subprocess, sys, time
import torch, torch.nn.functional as F

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
aten = torch.ops.aten
ROUNDS = 9


def index(rows, n):
    return torch.randint(0, max(rows, 1), (n,))


def turned(x, flag):
    return x.T if flag else x


# Each twin takes the operator's integers n and its operands, and returns a function without arguments that runs
# PyTorch's operator.
TWINS = {
    "linear": lambda n, x, w, b=None: lambda: F.linear(x, w, b),
    "matmul": lambda n, a, b: lambda: turned(a, n[0]) @ turned(b, n[1]),
    "mul": lambda n, a, b: lambda: a * b,
    "add": lambda n, a, b: lambda: a + b,
    "sum_n": lambda n, *x: lambda: functools.reduce(torch.add, x),
    "scale": lambda n, x: lambda: x * 0.2,
    "scale_by": lambda n, x, s: lambda: x * s,
    "silu": lambda n, x: lambda: F.silu(x),
    "silu_grad": lambda n, x: lambda: aten.silu_backward(x, x),
    "gelu": lambda n, x: lambda: F.gelu(x),
    "gelu_grad": lambda n, x: lambda: aten.gelu_backward(x, x),
    "quick_gelu": lambda n, x: lambda: x * torch.sigmoid(1.702 * x),
    "rmsnorm": lambda n, x: lambda: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5),
    "layernorm": lambda n, x: lambda: F.layer_norm(x, x.shape[-1:]),
    "softmax": lambda n, x: lambda: x.softmax(-1),
    "mul_rows": lambda n, x, w: lambda: x * w,
    "affine_rows": lambda n, x, w, b: lambda: x * w + b,
    "column_sum": lambda n, x: lambda: x.sum(0),
    "column_dot": lambda n, x, y: lambda: (x * y).sum(0),
    "concat_rows": lambda n, *x: lambda: torch.cat([y.reshape(-1, y.shape[-1]) for y in x]),
}


def shape(text):
    return [int(d) for d in re.findall(r"\d+", text)]


def median(run):
    times = []
    for k in range(ROUNDS + 2):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * sorted(times[2:])[ROUNDS // 2]


def attention():
    """Forward and backward of fused attention as the step has it: 4 causal layers of both kinds of samples, 2 layers of the tower."""
    parts = [(4, 32, 34, 24, True), (4, 16, 20, 24, True), (2, 32, 17, 16, False)]
    forward = backward = 0
    for layers, samples, rows, dim, causal in parts:
        q, k, v, g = (torch.randn(samples, 4, rows, dim, requires_grad=i < 3) for i in range(4))
        run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        one = median(run)
        both = median(lambda: torch.autograd.grad(run(), (q, k, v), g))
        forward, backward = forward + layers * one, backward + layers * (both - one)
    return forward, backward


def main():
    listed = subprocess.run([sys.argv[1], "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    nodes = {}
    for line in listed:
        name, first, second, *shapes = line.split("\t")
        if name in TWINS:
            nodes.setdefault(name, []).append(TWINS[name]((int(first), int(second)), *(torch.randn(shape(s)) for s in shapes)))
    theirs = {name: median(lambda: [run() for run in runs]) for name, runs in nodes.items()}
    table = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout.splitlines()
    print(f"{table[0]}   PyTorch {torch.__version__}, ms   ours / PyTorch")
    ours, forward = {}, ("attention_scores", "attention_softmax", "attention_mix")
    for line in table[1:]:
        name, *rest = line.split()
        if len(rest) > 2 and rest[0].isdigit():
            ours[name] = float(rest[1])
        print(line + (f"   {theirs[name]:9.3f}   {ours[name] / theirs[name]:6.2f}" if name in theirs else ""))
    their_forward, their_backward = attention()
    print(f"attention with its backward pass: ours {sum(v for k, v in ours.items() if k.startswith('attention')):.3f} ms, "
          f"PyTorch's fused {their_forward + their_backward:.3f} ms ({their_forward:.3f} forward)")


main()
