#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares our training step with PyTorch's, in alternation: bench_step.py build/bench_step [--compile]

PyTorch runs with one thread and with OMP_NUM_THREADS threads, and its better time counts. --compile uses torch.compile
in place of eager mode.

PyTorch is used at its best: pictures and text are padded separately, logits are computed only at supervised positions,
and attention is the fused one of PyTorch 2.0 and later. Both sides have the same sizes and numbers of samples and tokens,
and are warmed up."""
import os, re, subprocess, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

PAIRS, STEPS = 15, 9
COMPILE = "--compile" in sys.argv
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
torch.set_num_threads(THREADS)
V, C, H, D, LAYERS, VC = 800, 96, 4, 24, 4, 64         # vocabulary, width, heads, width of a head, layers; the tower's width
FUSED = getattr(F, "scaled_dot_product_attention", None)


class Block(nn.Module):
    def __init__(self, c, heads, mlp, vision):
        super().__init__()
        self.heads, self.vision = heads, vision
        self.qkv = nn.ModuleList(nn.Linear(c, c, bias=vision) for _ in range(4))
        self.n1, self.n2 = (nn.LayerNorm(c), nn.LayerNorm(c)) if vision else (nn.Parameter(torch.ones(c)), nn.Parameter(torch.ones(c)))
        self.fc = nn.ModuleList([nn.Linear(c, mlp, bias=vision), nn.Linear(mlp, c, bias=vision)] + ([] if vision else [nn.Linear(c, mlp, bias=False)]))

    def norm(self, w, x):
        return w(x) if self.vision else x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w

    def forward(self, x, mask, rope):
        b, t, c = x.shape
        h = self.norm(self.n1, x)
        q, k, v = (m(h).view(b, t, self.heads, c // self.heads).transpose(1, 2) for m in self.qkv[:3])
        if rope is not None:
            turn = lambda y: y * rope[0] + torch.cat((-y[..., D // 2:], y[..., :D // 2]), -1) * rope[1]
            q, k = turn(q), turn(k)
        if FUSED:
            y = FUSED(q, k, v, attn_mask=mask)
        else:
            s = q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5
            y = (s if mask is None else s + mask).softmax(-1) @ v
        x = x + self.qkv[3](y.transpose(1, 2).reshape(b, t, c))
        h = self.norm(self.n2, x)
        if self.vision:
            u = self.fc[0](h)
            return x + self.fc[1](u * torch.sigmoid(1.702 * u))
        return x + self.fc[1](F.silu(self.fc[0](h)) * self.fc[2](h))


class Llava(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, VC, 8, 8, bias=False)
        self.cls, self.pos = nn.Parameter(torch.randn(VC)), nn.Parameter(torch.randn(17, VC))
        self.pre = nn.LayerNorm(VC)
        self.vit = nn.ModuleList(Block(VC, 4, 256, True) for _ in range(2))
        self.proj = nn.Sequential(nn.Linear(VC, C), nn.GELU(), nn.Linear(C, C))
        self.emb, self.head = nn.Embedding(V, C), nn.Linear(C, V, bias=False)
        self.layers = nn.ModuleList(Block(C, H, 256, False) for _ in range(LAYERS))
        self.norm = nn.Parameter(torch.ones(C))
        angle = torch.arange(64.)[:, None] * 1e4 ** (-torch.arange(0, D, 2) / D)
        self.rope = (torch.cat((angle.cos(),) * 2, -1), torch.cat((angle.sin(),) * 2, -1))

    def forward(self, ids, pixels, rows):
        x = self.emb(ids)
        if pixels is not None:
            p = self.patch(pixels).flatten(2).transpose(1, 2)
            p = self.pre(torch.cat((self.cls.expand(len(p), 1, VC), p), 1) + self.pos)
            for block in self.vit:
                p = block(p, None, None)
            x = torch.cat((x[:, :2], self.proj(p[:, 1:]), x[:, 18:]), 1)
        t = x.shape[1]
        mask = torch.full((t, t), float("-inf")).triu(1)
        for block in self.layers:
            x = block(x, mask, (self.rope[0][:t], self.rope[1][:t]))
        x = x[:, rows]
        return self.head(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.norm)


def torch_step(model, optimiser, data):
    optimiser.zero_grad(set_to_none=True)
    logits = torch.cat([model(ids, px, rows).reshape(-1, V) for ids, px, rows, _ in data])
    F.cross_entropy(logits, torch.cat([labels.reshape(-1) for *_, labels in data])).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def main():
    torch.manual_seed(0)
    model = Llava()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, (.9, .98), weight_decay=.05)
    ids = lambda n, t: torch.randint(0, 790, (n, t))
    data = [(ids(32, 34), torch.randn(32, 3, 32, 32), slice(30, 33), ids(32, 3)), (ids(16, 20), None, slice(16, 19), ids(16, 3))]
    run = torch.compile(torch_step) if COMPILE else torch_step
    ratios, name = [], "torch.compile" if COMPILE else "eager"
    for _ in range(PAIRS):
        theirs = {}
        for threads in sorted({1, THREADS}):
            torch.set_num_threads(threads)
            for _ in range(2):
                run(model, optimiser, data)
            times = []
            for _ in range(STEPS):
                start = time.perf_counter()
                run(model, optimiser, data)
                times.append(time.perf_counter() - start)
            theirs[threads] = 1e3 * sorted(times)[STEPS // 2]
        out = subprocess.run([sys.argv[1], str(STEPS)], capture_output=True, text=True, check=True).stdout
        ours = float(re.search(r"([0-9.]+) ms", out).group(1))
        ratios.append(ours / min(theirs.values()))
        print(f"{out.strip()}\n  PyTorch {torch.__version__} {name}: " + ", ".join(f"{t} threads {ms:.1f} ms" for t, ms in theirs.items())
              + f"; ours / PyTorch's better {ratios[-1]:.2f}", flush=True)
    ratios.sort()
    at = lambda q: ratios[round(q * (PAIRS - 1))]
    print(f"training step, ours / PyTorch {torch.__version__} {name} with {'fused' if FUSED else 'plain'} attention, {THREADS} threads, "
          f"{PAIRS} pairs: median {at(.5):.2f}, quartiles {at(.25):.2f} and {at(.75):.2f}")


main()
