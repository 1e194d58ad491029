# SPDX-License-Identifier: MIT
"""Mistakes that users make, planted in the steps of steps.py: {name: (method, model, settings, plant)}. plant(step) is a context
manager in which the step is wrong. If it yields a steps.How, this holds further arguments of Step.run."""
import contextlib
import fnmatch
import json
import types
from unittest import mock

import steps
import torch
import torch.nn.functional as F
import transformers
from transformers import LlavaConfig
from transformers.models.llama import modeling_llama

FULL, LORA = "train.trainable=full", "train.trainable=proj+llm lora.rank=3 lora.alpha=6"
DECAY = " optimiser.weight_decay=0.1"
A, B = "tiny-llava-a", "tiny-llava-b"


def put(owner, **functions):
    """plant: these functions replace the owner's."""
    return lambda step: mock.patch.multiple(owner, **functions)


def config(**changes):
    """plant: keys of config.json have other values. text__rope_theta stands for rope_theta in text_config."""
    def plant(step):
        with open(step.folder + "/config.json") as f:
            root = json.load(f)
        for key, value in changes.items():
            part, _, name = key.partition("__")
            (root[part + "_config"] if name else root)[name or key] = value
        return contextlib.nullcontext(steps.How(change=LlavaConfig.from_dict(root)))
    return plant


def each(kind, change):
    """plant: calls change(module) for each module whose class name ends with `kind`, in which * matches anything."""
    def wrap(model):
        found = [m for m in model.modules() if fnmatch.fnmatch(type(m).__name__, "*" + kind)]
        assert found, kind
        for m in found:
            change(m)
    return lambda step: contextlib.nullcontext(steps.How(wrap=wrap))


@contextlib.contextmanager
def tiled(step):
    """plant: the key heads are tiled instead of repeated. Since transformers 5, only "eager" attention calls repeat_kv."""
    how = steps.How()
    if int(transformers.__version__.split(".")[0]) >= 5:
        with open(step.folder + "/config.json") as f:
            how["change"] = LlavaConfig.from_dict(json.load(f))
        how["change"]._attn_implementation = how["change"].text_config._attn_implementation = "eager"
    with mock.patch.object(modeling_llama, "repeat_kv", lambda x, n: x.repeat(1, n, 1, 1)):
        yield how


def scaled(factor):
    """plant: the adapters are scaled by another factor."""
    def wrap(model):
        for m in model.modules():
            if hasattr(m, "scaling") and isinstance(m.scaling, dict):
                m.scaling = {k: v * factor for k, v in m.scaling.items()}
    return lambda step: contextlib.nullcontext(steps.How(wrap=wrap))


def forward(function):
    """A change for `each`: `function` replaces the forward() of a module."""
    return lambda m: setattr(m, "forward", types.MethodType(function, m))


def mean_square(x):
    return x.float().pow(2).mean(-1, keepdim=True)


plus_one = forward(lambda m, x: x * torch.rsqrt(mean_square(x) + m.variance_epsilon) * (1 + m.weight))
outside_root = forward(lambda m, x: x / (mean_square(x).sqrt() + m.variance_epsilon) * m.weight)
swapped = forward(lambda m, x: m.down_proj(F.silu(m.up_proj(x)) * m.gate_proj(x)))


def channels(m):
    old = m.forward
    m.forward = types.MethodType(lambda self, pixel_values, *a, **k: old(pixel_values.flip(1), *a, **k), m)


def eps(m):
    m.eps = m.variance_epsilon = 1e-6


def unscaled(m):
    m.scale = 1.0
    m.scaling = 1.0


def tanh(m):
    m.act = torch.nn.GELU(approximate="tanh")


def off_by_one(self, z, batch, reference=None):
    labels = torch.cat([batch["labels"], torch.full_like(batch["labels"][:, :1], -100)], 1)
    original(self, z, {"labels": labels[:, 1:]}, reference)


def all_text(self, z, batch, reference=None):
    ids, keep = batch["input_ids"], batch["attention_mask"] == 1           # 296 is the id of <image>
    original(self, z, {"labels": torch.where(keep & (ids != 296), ids, -100)}, reference)


def divergence(p, q):
    return F.kl_div(p.log_softmax(-1), q.log_softmax(-1), log_target=True, reduction="sum")


def clip_each(self, model):
    for p in model.parameters():
        if p.grad is not None:
            torch.nn.utils.clip_grad_norm_([p], 1.0)


def setting(key, value):
    """plant: the optimiser is made with another setting."""
    return lambda step: mock.patch.dict(step.s, {"optimiser." + key: value})


original = steps.Role.__init__
R = steps.Role
MISTAKES = {
    "GeluTanh": ("npo", B, FULL, each("MultiModalProjector", tanh)),
    "QuickGeluMissing": ("npo", B, FULL, config(vision__hidden_act="gelu")),
    "LayerMinus2": ("npo", B, FULL, config(vision_feature_layer=-2)),
    "RmsEps": ("npo", B, FULL, each("RMSNorm", eps)),
    "LayerNormEps": ("npo", B, FULL, config(vision__layer_norm_eps=1e-6)),
    "EpsOutsideSqrt": ("npo", B, FULL, each("RMSNorm", outside_root)),
    "RmsNormPlusOne": ("npo", B, FULL, each("RMSNorm", plus_one)),
    "GqaTiled": ("ga", B, FULL, tiled),
    "GateUpSwapped": ("npo", B, FULL, each("LlamaMLP", swapped)),
    "ChannelsSwapped": ("npo", B, FULL, each("CLIPVisionEmbeddings", channels)),
    "VisionSoftmaxScale": ("npo", B, FULL, each("CLIP*Attention", unscaled)),
    "RopeTheta": ("npo", B, FULL, config(text__rope_theta=1e6)),
    "ShiftOff1": ("npo", B, FULL, put(R, __init__=off_by_one)),
    "PromptInLoss": ("npo", B, FULL, put(R, __init__=all_text)),
    "NpoBatchMean": ("npo", B, FULL, put(R, margin=lambda self: self.ce() - self.ce(self.ref))),
    "NpoTokenMean": ("npo", B, FULL, put(R, margin=lambda self: (self.sums() - self.sums(self.ref)) / self.kept.sum(1))),
    "NpoOneOverBeta": ("npo", B, FULL, put(steps, npo=lambda f, h: -1 / h["beta"] * F.logsigmoid(h["beta"] * f.margin()).mean())),
    "NpoSign": ("npo", B, FULL, put(steps, npo=lambda f, h: -2 / h["beta"] * F.logsigmoid(-h["beta"] * f.margin()).mean())),
    "SumNotMean": ("ga", A, FULL, put(R, ce=lambda self, z=None: self.nll(z).sum())),
    "KlReversed": ("ga_klr", A, FULL, put(R, kl=lambda self: divergence(self.ref[self.kept], self.z[self.kept]) / self.kept.sum())),
    "KlBatchOnly": ("ga_klr", A, FULL, put(R, kl=lambda self: divergence(self.z[self.kept], self.ref[self.kept]) / len(self.z))),
    "LoraNoScale": ("ga_klr", A, LORA, scaled(1 / 2)),
    "LoraScaleTwice": ("ga_klr", A, LORA, scaled(2)),
    "ClipMissing": ("npo", B, FULL, put(steps.Step, clip=lambda self, model: None)),
    "ClipPerTensor": ("npo", B, FULL, put(steps.Step, clip=clip_each)),
    "DecayCoupled": ("npo", B, FULL + DECAY, put(torch.optim, AdamW=torch.optim.Adam)),
    "DecayOnVectors": ("npo", B, FULL + DECAY, setting("decay_matrices_only", "no")),
    "DecayMissing": ("npo", B, FULL + DECAY, setting("weight_decay", "0")),
    "BetaDecimal": ("npo", B, FULL + " optimiser.beta2=0.999", put(steps, f32=float)),
    "LearningRateZero": ("npo", B, FULL, setting("lr", "0")),
}
