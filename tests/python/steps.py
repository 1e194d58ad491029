# SPDX-License-Identifier: MIT
"""Unlearning steps as users write them: transformers, peft, torch.optim, losses on padded batches. Needs transformers and peft.

    s = Step("npo", "tiny-llava-b", folder, "train.trainable=full")     # traces the step with pulse-ref
    status, findings, said, capture = s.run(out)                        # runs it with transformers, and verifies the answers"""
import contextlib
import copy
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
sys.path.insert(0, os.path.join("ref", "python"))
import numpy as np  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from transformers import LlavaForConditionalGeneration  # noqa: E402
import pulse_capture  # noqa: E402

PULSE = os.environ.get("PULSE", "build/pulse-ref")
MODELS = "fixtures/vectors/v1/models/"
LINEAR = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def f32(x):
    return float(np.float32(x))                            # pulse-ref's hyper-parameters are floats, so 0.999 is rounded


# --- losses on [B, T, V] logits ---
class Role:
    """The samples of one role: logits of the model and of the reference, if there is one, and labels in transformers' form."""

    def __init__(self, z, batch, reference=None):
        self.labels = batch["labels"][:, 1:]
        self.z, self.ref = z[:, :-1].float(), None if reference is None else reference[:, :-1].float()
        self.kept = self.labels != -100                    # the supervised positions

    def nll(self, z=None):
        """[B, T]; 0 where there is no label."""
        return F.cross_entropy((self.z if z is None else z).transpose(1, 2), self.labels, ignore_index=-100, reduction="none")

    def ce(self, z=None):
        return self.nll(z).sum() / self.kept.sum()

    def sums(self, z=None):
        return self.nll(z).sum(1)

    def margin(self):
        return self.sums() - self.sums(self.ref)

    def kl(self):
        p, q = self.z[self.kept].log_softmax(-1), self.ref[self.kept].log_softmax(-1)
        return F.kl_div(p, q, log_target=True, reduction="sum") / self.kept.sum()

    def weighted(self, weight):
        nll = self.nll()[self.kept]
        return (weight(nll.detach()) * nll).sum() / self.kept.sum()


def npo(forget, h):
    return -2 / h["beta"] * F.logsigmoid(h["beta"] * forget.margin()).mean()


def dpo(lose, win, h):
    return -h["dpo_scale"] / h["beta"] * F.logsigmoid(h["beta"] * (lose.margin() - win.margin())).mean()


def simnpo(forget, h):
    mean = forget.sums() / forget.kept.sum(1)
    return -h["gamma"] * 2 / h["beta"] * F.logsigmoid(h["beta"] * mean - h["delta"]).mean()


LOSSES = {                                                 # r: {role: Role}; h: the hyper-parameters
    "ga": lambda r, h: -r["forget"].ce(),
    "retain_ft": lambda r, h: r["retain"].ce(),
    "grad_diff": lambda r, h: -h["gamma"] * r["forget"].ce() + h["alpha"] * r["retain"].ce(),
    "ga_klr": lambda r, h: -r["forget"].ce() + h["lambda"] * r["retain"].kl(),
    "kl_min": lambda r, h: -h["gamma"] * r["forget"].ce() + h["alpha"] * r["retain"].ce() + h["lambda"] * r["retain"].kl(),
    "npo": lambda r, h: npo(r["forget"], h),
    "npo_gd": lambda r, h: h["gamma"] * npo(r["forget"], h) + h["alpha"] * r["retain"].ce(),
    "npo_kl": lambda r, h: h["gamma"] * npo(r["forget"], h) + h["lambda"] * r["retain"].kl(),
    "simnpo": lambda r, h: simnpo(r["forget"], h) + h["alpha"] * r["retain"].ce(),
    "idk": lambda r, h: r["refusal"].ce() + h["alpha"] * r["retain"].ce(),
    "dpo": lambda r, h: h["gamma"] * dpo(r["forget"], r["refusal"], h) + h["alpha"] * r["retain"].ce(),
    "altpo": lambda r, h: h["gamma"] * dpo(r["forget"], r["alternate"], h) + h["alpha"] * r["retain"].ce(),
    "wga": lambda r, h: -h["gamma"] * r["forget"].weighted(lambda n: (-h["beta"] * n).exp()) + h["alpha"] * r["retain"].ce(),
}
# The roles on which each method also runs the reference model.
REFERENCED = {"ga_klr": ("retain",), "kl_min": ("retain",), "npo": ("forget",), "npo_gd": ("forget",), "npo_kl": ("forget", "retain"),
              "dpo": ("forget", "refusal"), "altpo": ("forget", "alternate")}

# --- folders ---
def varied(model, seed, folder):
    """Makes a copy of a model's folder with other weights, and a batch of other samples."""
    import safetensors.torch as files
    to = os.path.join(folder, "%s-%d" % (model, seed))
    shutil.copytree(MODELS + model, to, dirs_exist_ok=True)
    torch.manual_seed(seed)
    weights = files.load_file(to + "/model.safetensors")
    weights = {k: v + .05 * v.std().nan_to_num() * torch.randn_like(v) for k, v in weights.items()}
    files.save_file(weights, to + "/model.safetensors", {"format": "pt"})
    words = ["who is this ?", "what is red ?", "what is this ?", "who ?", "is this ann ?", "what is bob ?"]
    answers = ["ann", "bob tea", "tea", "do not", "red tea", "i do not know", "bob"]
    draw = np.random.default_rng(seed)
    with open(to + "/drawn.jsonl", "w") as f:
        for group, count in (("forget", 1 + seed % 3), ("retain", 1 + seed % 2)):
            for k in range(count):
                line = {"id": "%s%d" % (group[0], k), "group": group, "question": str(draw.choice(words))}
                line["answer"] = str(draw.choice(answers))
                if draw.random() < .6:
                    line["image"] = "pictures.safetensors#%d" % draw.integers(0, 4)
                f.write(json.dumps(line) + "\n")
    return to, to + "/drawn.jsonl"


class How(dict):
    """Further arguments of Step.run, given by a planted mistake (mistakes.py)."""


class Step:
    def __init__(self, method, model, folder, settings="", batch=None, reference=None):
        """`settings`: "section.key=value …" of the trace. `reference`: the folder of the reference model, if it is
        not the model itself."""
        self.method, self.folder = method, model if os.path.isdir(model) else MODELS + model
        self.trace = tempfile.mkdtemp(prefix=method + "-", dir=folder)
        command = [PULSE, "trace", "--model", self.folder, "--batch", batch or self.folder + "/batch.jsonl", "--method", method]
        command += ["--out", self.trace]
        for one in settings.split():
            command += ["--set", one]
        self.reference = reference
        subprocess.run(command + (["--reference", reference] if reference else []), check=True, stdout=subprocess.DEVNULL)
        with open(self.trace + "/trace.json") as f:
            root = json.load(f)
        lines = dict(line.split(" = ", 1) for line in root["settings"] if " = " in line)
        # h: the hyper-parameters; s: all settings, as texts
        self.h = {k[8:]: f32(v) for k, v in lines.items() if k.startswith("unlearn.") and v[0] in "-0123456789"}
        self.s = lines
        self.adapters = "lora_A" in open(self.trace + "/trace.json").read()

    # --- what a user writes ---
    def open(self, change=None):
        """The model, opened as users do, with the adapters and weights of the trace, and the reference. `change`: another config."""
        kind = dict(dtype=torch.float32) if int(__import__("transformers").__version__[0]) >= 5 else dict(torch_dtype=torch.float32)
        model = LlavaForConditionalGeneration.from_pretrained(self.folder, **kind, **({"config": change} if change is not None else {}))
        other = LlavaForConditionalGeneration.from_pretrained(self.reference, **kind).eval() if self.reference else None
        if self.adapters:
            rank, alpha = int(self.s["lora.rank"]), float(self.s["lora.alpha"])
            model = peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=LINEAR, lora_dropout=0.0))
        elif self.reference is None and self.method in REFERENCED:
            other = copy.deepcopy(model).eval()
        trained = {"llm": (), "proj+llm": ("multi_modal_projector",), "full": ("",)}[self.s["train.trainable"]]
        for name, p in model.named_parameters():
            p.requires_grad_("lora_" in name or any(t in name for t in trained))
        left = pulse_capture.fill(model, self.trace)
        assert not left, left
        return model.train(), other

    def optimiser(self, model):
        s, matrices = self.s, self.s["optimiser.decay_matrices_only"] == "yes"
        decay = f32(s["optimiser.weight_decay"])
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": [p for p in trained if p.dim() > 1 or not matrices], "weight_decay": decay},
                  {"params": [p for p in trained if p.dim() <= 1 and matrices], "weight_decay": 0.0}]
        lr = f32(s["optimiser.lr"])
        if s["optimiser.kind"] == "sgd":
            return torch.optim.SGD(groups, lr=lr, momentum=f32(s["optimiser.momentum"]))
        return torch.optim.AdamW(groups, lr=lr, betas=(f32(s["optimiser.beta1"]), f32(s["optimiser.beta2"])), eps=f32(s["optimiser.eps"]))

    def loss(self, model, other, batch):
        roles = {}
        for role, one in batch.items():
            keep = {k: v for k, v in one.items() if k != "labels"}
            reference_logits = None
            if role in REFERENCED.get(self.method, ()):
                with torch.no_grad(), (model.disable_adapter() if other is None else contextlib.nullcontext()):
                    reference_logits = (other or model)(**keep).logits
            roles[role] = Role(model(**keep).logits, one, reference_logits)
        return LOSSES[self.method](roles, self.h)

    def clip(self, model):
        most = f32(self.s["optimiser.max_norm"])
        if most > 0:
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], most)

    def run(self, out, autocast=False, change=None, wrap=None, **how):
        """Runs, captures and judges the step. Returns (exit code, findings, what the report printed, the capture)."""
        model, other = self.open(change)
        if wrap:
            wrap(model)
        optimiser = self.optimiser(model)
        with pulse_capture.step(model, out, reference=self.trace, program=PULSE, **how) as s:
            with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else contextlib.nullcontext():
                loss = self.loss(model, other, s.batch)
            loss.backward()
            self.clip(model)
            optimiser.step()
        said = io.StringIO()
        status = s.report(file=said)
        return status, s.findings, said.getvalue(), s
