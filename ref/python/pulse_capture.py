# SPDX-License-Identifier: MIT
"""Records one optimiser step of a PyTorch model, so that `pulse-ref verify` can judge it. One file; it needs torch alone.

    pulse-ref trace --model MODEL --batch batch.jsonl --method npo --out trace/          # the right step

    import pulse_capture
    with pulse_capture.step(model, "got.safetensors", reference="trace/") as s:         # the user's own Hugging Face model
        loss = my_loss(model, s.batch); loss.backward(); optimiser.step()               # s.batch["forget"]: ids, pixels, labels, ...
    s.report()                                                                          # the verdict, the first error, its source line

    pulse_capture.fill(model, "trace/")                          # copies the trace's weights into the model, adapters too
    pulse_capture.feed(model, "trace/", "fed.safetensors")       # each module alone, from the trace's inputs: proven bounds apply

`step` puts hooks on the modules of `model` whose names it knows: those of the three layouts of LLaVA (the Hub's, that of transformers
since 4.52, the original one), below wrappers of PEFT, DataParallel and torch.compile. `names` maps the modules of any other model: a
dict or a function from its paths to those of the trace. Gradients are taken from the tensors, the loss from the call of backward(), and
weights and moments from the optimiser's step.

The trace holds all samples of the step in one packed batch, where PyTorch runs a forward pass for each role, padded or packed. A pass
is recognised by its input_ids; without them it is taken for all samples, packed as in the trace. A pass under no_grad, or with
adapters disabled, is one of the reference model. The report prints `s.notes`, sentences about what could not be matched with the trace.
"""
import contextlib
import ctypes
import inspect
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

__all__ = ["step", "feed", "fill", "canonical", "Capture"]
IGNORED = -100
VISION, TEXT = "vision_tower.", "language_model."
HEAD, PROJECTOR = "language_model.lm_head", "multi_modal_projector"
MOMENTS = {"adam.m.": "exp_avg", "adam.v.": "exp_avg_sq", "sgd.momentum.": "momentum_buffer"}
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32,
          "U8": torch.uint8}


# --- files ---
def read(path):
    """{name: tensor} of a safetensors file."""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        head, data = json.loads(f.read(size)), bytearray(f.read())
    head.pop("__metadata__", None)
    out = {}
    for name, v in head.items():
        a, b = v["data_offsets"]
        kind = DTYPES[v["dtype"]]
        flat = torch.frombuffer(data, dtype=kind, count=(b - a) // kind.itemsize, offset=a) if b > a else torch.empty(0, dtype=kind)
        out[name] = flat.reshape(v["shape"])
    return out


class Gathered:
    """Rows of tensors, which are put together only when they are written. parts: [(tensor [n, width], the indices of the rows taken
    from it, the index of the first of these in the result)]."""

    def __init__(self, shape, parts):
        self.shape, self.parts, self.dtype = shape, parts, parts[0][0].dtype

    def fill(self, out):
        out = out.reshape(-1, self.parts[0][0].shape[-1])
        for tensor, index, first in self.parts:
            torch.index_select(tensor.to(self.dtype), 0, index, out=out[first:first + len(index)])


def write(path, tensors):
    """Writes {name: tensor or Gathered} as a safetensors file, under another name first. Gathered rows go through one small buffer,
    because the answers of a step may be larger than its model."""
    kinds, head, at = {v: k for k, v in DTYPES.items()}, {}, 0
    tensors = {k: t if isinstance(t, Gathered) else t.detach().to("cpu").contiguous() for k, t in sorted(tensors.items())}
    sizes = {k: math.prod(t.shape) * t.dtype.itemsize for k, t in tensors.items()}
    for name, t in tensors.items():
        head[name], at = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + sizes[name]]}, at + sizes[name]
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    buffer = torch.empty(max([0] + [sizes[k] for k, t in tensors.items() if isinstance(t, Gathered)]), dtype=torch.uint8)
    with open(path + ".part", "wb", buffering=1 << 20) as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, t in tensors.items():
            if isinstance(t, Gathered):
                t.fill(buffer[:sizes[name]].view(t.dtype))
                t = buffer
            if sizes[name]:
                f.write((ctypes.c_char * sizes[name]).from_address(t.data_ptr()))
    os.replace(path + ".part", path)


# --- names ---
WRAPPERS = re.compile(r"^(base_model\.model\.|module\.|_orig_mod\.|_fsdp_wrapped_module\.)+")
INSIDE = re.compile(r"\.(base_layer|_orig_mod|_fsdp_wrapped_module|modules_to_save\.[^.]+|original_module)(?=\.|$)")
LAYOUTS = (                                                # from the original layout and that of transformers since 4.52 to the Hub's
    (r"^model\.vision_tower\.vision_tower\.", "vision_tower."), (r"^model\.vision_tower(?=\.|$)", "vision_tower"),
    (r"^vision_tower\.(?!vision_model(\.|$))", "vision_tower.vision_model."),
    (r"^(model\.)?mm_projector\.0(?=\.|$)", "multi_modal_projector.linear_1"),
    (r"^(model\.)?mm_projector\.2(?=\.|$)", "multi_modal_projector.linear_2"),
    (r"^(model\.)?mm_projector$", "multi_modal_projector"), (r"^model\.multi_modal_projector(?=\.|$)", "multi_modal_projector"),
    (r"^model\.language_model\.", "language_model.model."), (r"^model\.(?=(layers|embed_tokens|norm)(\.|$))", "language_model.model."),
    (r"^lm_head(?=\.|$)", HEAD),
)


def canonical(name):
    """The name on the Hub of a module or a parameter. The given name may be of any of the layouts, below any of the wrappers."""
    name = INSIDE.sub("", WRAPPERS.sub("", name))
    name = re.sub(r"\.lora_(A|B)\.[^.]+(?=\.|$)", r".lora_\1", name)
    for pattern, hub in LAYOUTS:
        name = re.sub(pattern, hub, name)
    return name


def namer(names):
    if names is None:
        return canonical
    if callable(names):
        return names
    return lambda name: next((v + name[len(k):] for k, v in names.items() if name == k or name.startswith(k + ".")), name)


def parameters(model, to):
    out = {}
    for name, p in model.named_parameters():
        if ".original_module." not in name:                # PEFT keeps the old copy of what it trains whole
            out[to(name)] = p
    return out


def modules(model, to, trace):
    """{path in the trace: module}, for each module of the trace that the model has."""
    inner = re.compile(r"\.base_layer$|\.original_module(\.|$)")       # what PEFT keeps inside its own modules
    own = {to(name): m for name, m in model.named_modules(remove_duplicate=False) if not inner.search(name)}
    return {path: own[path] for path in trace.modules if path in own}


def no_names_sentence(trace, model):
    return ("none of the model's modules has a name of the trace, expected one like %s, or names= with a map to such names; "
            "the model has %s"
            % (next(k for k in trace.modules if k.startswith(TEXT)), ", ".join([n for n, _ in model.named_modules() if n][:4])))


# --- the trace ---
class Trace:
    """A folder that `pulse-ref trace` wrote, or a step of the recorded answers: which sample has which rows, words and pictures."""

    def __init__(self, folder, roles=None):
        self.folder = folder
        with open(os.path.join(folder, "trace.json"), encoding="utf-8") as f:
            self.root = json.load(f)
        self.x = read(os.path.join(folder, "trace.safetensors"))
        self.modules = {m["module"]: m for m in self.root["modules"]}
        attention = next(m for k, m in self.modules.items() if k.startswith(TEXT) and "segments" in m["index"])
        segments = self.index(attention, "segments").reshape(-1, 4)
        self.spans = [(int(a), int(n)) for a, n, _, _ in segments]                        # rows of each sample: first, how many
        self.rows = sum(n for _, n in self.spans)
        self.attention = attention
        # the rows that reach the head; None: all of them
        self.picked = self.index(self.modules["language_model.model"], "ids") if "language_model.model" in self.modules else None
        self.find_words()
        listed = self.root.get("samples") or []
        self.names = [s["id"] for s in listed] or ["sample %d" % k for k in range(len(self.spans))]
        self.roles = list(roles or [s["role"] for s in listed] or ["forget"] * len(self.spans))
        if len(self.roles) != len(self.spans):
            raise ValueError("%s: the step has %d samples, expected a role for each, not %s" % (folder, len(self.spans), self.roles))

    def index(self, module, name):
        return self.x[module["index"][name]].long()

    def find_words(self):
        """Sets self.words, the ids of each sample (None where a row is of a picture), and self.pictures, the numbers of its pictures."""
        m = self.modules.get("language_model")
        if m is None or "ids" not in m["index"]:
            raise ValueError("%s/trace.json: the module language_model has no ids, expected the trace of a LLaVA" % self.folder)
        words = self.index(m, "ids").tolist()
        place = self.index(m, "ids.1").tolist() if "ids.1" in m["index"] else list(range(len(words)))
        self.pixels = self.x.get("input.pixels")
        features = 0 if self.pixels is None else self.x[m["in"]].shape[0] // len(self.pixels)
        self.words, self.pictures = [], []
        for a, n in self.spans:
            rows = place[a:a + n]
            self.words.append([words[r] if r < len(words) else None for r in rows])
            self.pictures.append(list(dict.fromkeys((r - len(words)) // features for r in rows if r >= len(words))))

    def batch(self, image_token, pad=0, device="cpu"):
        """{role: keywords of a Hugging Face model}: input_ids, attention_mask, labels (-100: none) [B, T], pixel_values."""
        out = {}
        wanted = set(self.picked.tolist()) if self.picked is not None else set(range(self.rows))
        for role in dict.fromkeys(self.roles):
            mine = [k for k, r in enumerate(self.roles) if r == role]
            longest = max(self.spans[k][1] for k in mine)
            ids = torch.full((len(mine), longest), pad, dtype=torch.long)
            mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
            for b, k in enumerate(mine):
                first, n = self.spans[k]
                if image_token is None and None in self.words[k]:
                    raise ValueError("the model's config names no image token, expected image_token= of step()")
                ids[b, :n] = torch.tensor([image_token if w is None else w for w in self.words[k]])
                mask[b, :n] = 1
                for t in range(1, n):
                    if first + t - 1 in wanted and self.words[k][t] is not None:
                        labels[b, t] = ids[b, t]
            one = {"input_ids": ids, "attention_mask": mask, "labels": labels}
            pictures = [p for k in mine for p in self.pictures[k]]
            if pictures:
                one["pixel_values"] = self.pixels[pictures].clone()
            out[role] = {k: v.to(device) for k, v in one.items()}
        return out

    def param(self, name):
        return self.x.get("param." + name)


def collapse(ids):
    """The ids, with only one None for the rows of each picture: a prompt may have one token where the model has many rows."""
    return [w for k, w in enumerate(ids) if w is not None or k == 0 or ids[k - 1] is not None]


# --- where something happens in the user's files ---
def is_library(path):
    parts = path.split(os.sep)
    return path == __file__ or path.startswith("<") or not {"site-packages", "dist-packages"}.isdisjoint(parts)


def user_line():
    """The line of the innermost caller that is no library."""
    frame = sys._getframe(1)
    while frame is not None and (is_library(frame.f_code.co_filename) or frame.f_code.co_filename == contextlib.__file__):
        frame = frame.f_back
    return None if frame is None else "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)


def source_of(module):
    """Where the forward() of a module is written."""
    try:
        function = type(module).forward
        return "%s:%d" % (inspect.getsourcefile(function), inspect.getsourcelines(function)[1])
    except (OSError, TypeError):
        return None


# --- tensors of a module's call ---
def first_tensor(value):
    """The tensor of an output or argument: itself, the first of a tuple, or `last_hidden_state` or `logits` of an output."""
    if torch.is_tensor(value):
        return value
    if isinstance(value, (tuple, list)):
        return next((t for t in map(first_tensor, value) if t is not None), None)
    for name in ("last_hidden_state", "logits"):
        if hasattr(value, name) and torch.is_tensor(getattr(value, name)):
            return getattr(value, name)
    return None


def input_of(args, kwargs):
    """(index in args or key in kwargs, tensor) of the activations that a module is called with: the first floating tensor."""
    for k, v in enumerate(args):
        if torch.is_tensor(v) and v.is_floating_point():
            return k, v
    for k in ("hidden_states", "x", "input", "inputs_embeds", "image_features", "pixel_values"):
        if torch.is_tensor(kwargs.get(k)) and kwargs[k].is_floating_point():
            return k, kwargs[k]
    return None, None


class SeenGradients(list):
    """The gradients that were seen at one place, as (tensor, pass). Those of the same row are added up."""


class RowSum:
    """How rows that came twice are added up. n: the number of rows of the sum; all: [(part, rows of the sum, rows of the part)];
    chosen: the rows that are wanted."""

    def __init__(self, n, all_, chosen):
        self.n, self.all, self.chosen = n, all_, chosen


# Modules of the trace that are not modules of a Hugging Face model: the tower's choice of features, the embedding of words and pictures,
# the choice of the rows whose logits are wanted, the loss. The values are the places where the same numbers are seen; None: nowhere.
SOURCES = {
    (VISION + "vision_model", "out"): (PROJECTOR, "in"), (VISION + "vision_model", "grad.out"): (PROJECTOR, "grad.in"),
    ("language_model", "in"): (PROJECTOR, "out"), ("language_model", "grad.in"): (PROJECTOR, "grad.out"),
    ("language_model", "out"): (TEXT + "model.layers.0", "in"), ("language_model", "grad.out"): (TEXT + "model.layers.0", "grad.in"),
    ("language_model.model", "out"): (TEXT + "model.norm", "in"), ("language_model.model", "grad.out"): (TEXT + "model.norm", "grad.in"),
    ("loss", "in"): (HEAD, "out"), ("loss", "grad.in"): (HEAD, "grad.out"),
    **{(path, what): None for path in (VISION + "vision_model", "language_model.model") for what in ("in", "grad.in")},
    ("loss", "out"): None,
}


class Pass:
    """One forward pass of the model, and where each sample is in it."""

    def __init__(self, number, reference, line):
        self.number, self.reference, self.line = number, reference, line
        self.places = []                                   # (row of [B, T], where the sample begins in it, sample)
        self.left = False                                  # padded on the left
        self.pictures = []                                 # the trace's numbers of its pictures, in order
        self.whole = False                                 # it was called without ids: all samples, packed as in the trace


class Capture:
    """The context that `step` returns, with .batch, .loss, .notes and .report()."""

    def __init__(self, model, out, reference, names=None, roles=None, prefix="", image_token=None, update=True, program=None):
        self.model, self.out, self.prefix, self.update, self.program = model, out, prefix, update, program
        self.trace, self.to, self.notes = Trace(reference, roles), namer(names), []
        config = getattr(model, "config", None)
        self.image_token = image_token
        for key in ("image_token_id", "image_token_index"):
            if self.image_token is None and config is not None:
                self.image_token = getattr(config, key, None)
        pad = getattr(config, "pad_token_id", None)
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.batch = self.trace.batch(self.image_token, pad if isinstance(pad, int) and pad >= 0 else 0, device)
        self.parameters = parameters(model, self.to)
        self.loss = None                                   # the sum of the scalars that backward() was called on
        self.precision = self.program_precision()
        # depth: how many forward() of the model are inside one another now; passes: how many passes there were;
        # seen: {(path, what): [(tensor, Pass)]}; got: what is written to `out`; lines: {path: the user's line};
        # where: {path in the trace: module}
        self.depth, self.passes, self.current, self.handles = 0, 0, None, []
        self.seen, self.got, self.lines, self.where, self.plans = {}, {}, {}, {}, {}
        self.losses, self.gradients, self.states, self.stepped = [], {}, {}, None

    # --- entering ---
    def __enter__(self):
        self.check_weights()
        self.where = modules(self.model, self.to, self.trace)
        for path, module in self.where.items():
            self.hook(path, module)
        if not self.where:
            raise ValueError(no_names_sentence(self.trace, self.model))
        for outer in self.roots():
            self.handles.append(outer.register_forward_pre_hook(self.begin_pass, with_kwargs=True))
            self.handles.append(outer.register_forward_hook(self.end_pass, with_kwargs=True, always_call=True))
        self.watch_backward()
        self.handles.append(register_optimizer_step_post_hook(self.after_optimiser))
        return self

    def roots(self):
        """The model, and the models inside its wrappers: PEFT calls the forward() of the model inside, without the outer hooks."""
        roots, inner = [self.model], self.model
        while True:
            inner = getattr(inner, "base_model", None) if hasattr(inner, "peft_config") else getattr(inner, "module", None)
            inner = getattr(inner, "model", None) if inner is not None and hasattr(inner, "peft_config") else inner
            if not isinstance(inner, torch.nn.Module) or inner in roots:
                return roots
            roots.append(inner)

    def check_weights(self):
        differ, missing, trained_in_one = [], [], []
        for name, p in self.parameters.items():
            want = self.trace.param(name)
            if want is None:
                continue
            if want.shape != p.shape or not torch.equal(want.to(p.dtype), p.detach().cpu()):
                differ.append(name)
            if ("grad." + name in self.trace.x) != p.requires_grad:
                trained_in_one.append(name)
        missing = [k[6:] for k in self.trace.x if k.startswith("param.") and k[6:] not in self.parameters]
        for what, list_ in (("the weights differ from the trace's before the step (pulse_capture.fill copies them)", differ),
                            ("weights of the trace are not in the model", missing),
                            ("weights are trained only in the trace or only in the model", trained_in_one)):
            if list_:
                self.notes.append("%d %s: %s%s" % (len(list_), what, ", ".join(list_[:3]), " …" if len(list_) > 3 else ""))

    def program_precision(self):
        kinds = {p.dtype for p in self.model.parameters()}
        return "bf16" if torch.bfloat16 in kinds else "fp16" if torch.float16 in kinds else "fp32"

    # --- passes ---
    def begin_pass(self, module, args, kwargs):
        self.depth += 1
        if self.depth > 1:
            return
        self.passes += 1
        disabled = any(getattr(m, "disable_adapters", False) is True for m in self.model.modules() if hasattr(m, "lora_A"))
        self.current = Pass(self.passes, not torch.is_grad_enabled() or disabled, user_line())
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            device = "cuda" if torch.is_autocast_enabled("cuda") else "cpu"
            self.precision = "bf16-mixed" if torch.get_autocast_dtype(device) == torch.bfloat16 else "fp16"
        ids = kwargs.get("input_ids")
        if ids is None:
            ids = next((a for a in args if torch.is_tensor(a) and not a.is_floating_point() and a.dtype != torch.bool), None)
        if ids is None:
            self.current.whole = True
        else:
            self.place(ids.reshape(1, -1) if ids.dim() == 1 else ids, kwargs.get("attention_mask"))
        return

    def place(self, ids, mask):
        """Finds the samples in the rows of input_ids."""
        ids = ids.detach().cpu()
        mask = mask.detach().cpu() if torch.is_tensor(mask) and mask.shape == ids.shape else torch.ones_like(ids)
        free = [(k, collapse(w)) for k, w in enumerate(self.trace.words)]
        for b in range(len(ids)):
            row, keep = ids[b].tolist(), mask[b].bool().tolist()
            self.current.left |= not keep[0]
            words = collapse([None if w == self.image_token or w < 0 else w for w, m in zip(row, keep) if m])
            at = first = 0
            while at < len(words):
                k = next((k for k, w in free if words[at:at + len(w)] == w), None)
                if k is None:
                    if at == 0 or len(set(words[at:])) > 1:        # else: padding without a mask
                        self.note_unknown_row(b, words[at:])
                    break
                w = next(w for i, w in free if i == k)
                free = [(i, x) for i, x in free if i != k]
                self.current.places.append((b, first, k))
                self.current.pictures += self.trace.pictures[k]
                at, first = at + len(w), first + self.trace.spans[k][1]

    def note_unknown_row(self, b, words):
        """Adds a note: row b of input_ids has these words, which no sample of the trace has."""
        def common(w):
            return next((k for k, (x, y) in enumerate(zip(w, words)) if x != y), min(len(w), len(words)))
        best = max(range(len(self.trace.words)), key=lambda k: common(collapse(self.trace.words[k])))
        wanted, at = collapse(self.trace.words[best]), common(collapse(self.trace.words[best]))
        shown = lambda w: "the end" if at >= len(w) else "a picture" if w[at] is None else "id %d" % w[at]
        where = " (%s)" % self.current.line if self.current.line else ""
        self.notes.append("forward pass %d%s: row %d is not a sample of the trace; the nearest is %s, which differs at position %d: "
                          "got %s, expected %s" % (self.passes, where, b, self.trace.names[best], at, shown(words), shown(wanted)))

    def end_pass(self, module, args, kwargs, output):
        self.depth = max(self.depth - 1, 0)
        if self.depth == 0:
            self.current = None

    # --- modules ---
    def hook(self, path, module):
        def before(m, args, kwargs):
            p = self.current
            if p is None or p.reference:
                return None
            place, x = input_of(args, kwargs)
            if x is None or path == VISION + "vision_model.embeddings":
                return None
            self.put(path, "in", x, p)
            if not x.requires_grad:
                return None
            alias = x.view_as(x)                           # its gradient is what this module alone contributes
            alias.register_hook(lambda g: self.put(path, "grad.in", g, p))
            if isinstance(place, int):
                return args[:place] + (alias,) + args[place + 1:], kwargs
            return args, {**kwargs, place: alias}

        def after(m, args, kwargs, output):
            p, y = self.current, first_tensor(output)
            if p is None or y is None:
                return
            if p.reference:
                if path == HEAD:
                    self.put("reference", "out", y, p)
                return
            self.lines.setdefault(path, user_line())
            self.put(path, "out", y, p)
            if y.requires_grad:
                y.register_hook(lambda g: self.put(path, "grad.out", g, p))
        self.handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(module.register_forward_hook(after, with_kwargs=True))

    def put(self, path, what, t, p):
        self.seen.setdefault((path, what), SeenGradients() if what.startswith("grad.") else []).append((t.detach().clone(), p))

    # --- backward and update ---
    def watch_backward(self):
        old = torch.autograd.backward

        def backward(tensors, *args, **kwargs):
            one = tensors if torch.is_tensor(tensors) else tensors[0] if len(tensors) == 1 else None
            if one is not None and one.numel() == 1:
                self.losses.append(one.detach().reshape(()).clone())
            self.lines.setdefault("loss", user_line())
            old(tensors, *args, **kwargs)
            self.gradients = {k: None if q.grad is None else q.grad.detach().clone() for k, q in self.parameters.items() if q.requires_grad}
        torch.autograd.backward = backward
        self.restore = lambda: setattr(torch.autograd, "backward", old)

    def after_optimiser(self, optimiser, args, kwargs):
        mine = {id(p): k for k, p in self.parameters.items()}
        self.lines.setdefault("optimiser", user_line())
        for group in optimiser.param_groups:
            for q in group["params"]:
                if id(q) in mine:
                    self.stepped = True
                    for kind, key in MOMENTS.items():
                        t = optimiser.state.get(q, {}).get(key)
                        if torch.is_tensor(t):
                            self.states[kind + mine[id(q)]] = t.detach()

    def __exit__(self, kind, error, trace):
        self.restore()
        for h in self.handles:
            h.remove()
        if kind is None:
            self.assemble()
            write(self.out, {self.prefix + k: t for k, t in self.got.items()})
        return False

    # --- as the trace has it ---
    def assemble(self):
        self.loss = sum(self.losses) if self.losses else None
        if self.loss is None:
            self.notes.append("backward() was never called on a scalar: there is no loss, and there are no gradients")
        elif "loss" in self.trace.x:
            self.got["loss"] = self.loss.float().reshape(self.trace.x["loss"].shape)
        never = 0
        for path, m in self.trace.modules.items():
            for what, name in [("in", m.get("in")), ("grad.out", m.get("grad.out")), *m["answers"].items()]:
                if name is None or what not in ("in", "out", "grad.in", "grad.out"):
                    continue
                t = self.gather(path, what, self.trace.x[name])
                if t is not None:
                    self.got["hooked.%s@%s" % (path, what)] = t
                elif what == "out" and path in self.where:
                    never += 1
        if never:
            self.notes.append("%d modules were not called with all samples of the trace, and are not judged" % never)
        if HEAD in self.trace.modules and "hooked.%s@out" % HEAD in self.got:
            self.got["logits"] = self.got["hooked.%s@out" % HEAD]
        self.reference_logits()
        self.parameter_results()

    def gather(self, path, what, want):
        """The rows that all passes saw at a place, in the order of the trace; None: not all rows were seen."""
        at = SOURCES.get((path, what), (path, what))
        parts, source = self.seen.get(at), at and at[0]
        if not parts:
            return None
        picked = source in ("language_model.model.norm", HEAD) and self.trace.picked is not None and len(want) == len(self.trace.picked)
        return self.rows(source, parts, want, self.trace.picked if picked else slice(None))

    def rows(self, source, parts, want, chosen):
        """A tensor of the shape of `want`, with the chosen rows; None: some of them were not seen. Rows of gradients that come twice are
        added up. A tensor of another shape is returned as it is, so that `verify` names its shape."""
        width = want.shape[-1]
        for t, p in parts:
            if t.shape[-1] == width and t.numel() == want.numel() and (p.whole or t.dim() == 2):
                return t.reshape(want.shape)               # packed as the trace is
        which = None if isinstance(chosen, slice) else tuple(chosen) if isinstance(chosen, list) else id(chosen)
        key = (source.startswith(TEXT), width, len(want), tuple((p.number, t.shape) for t, p in parts), which)
        if key not in self.plans:
            self.plans[key] = self.plan(source, parts, want, chosen)
        plan = self.plans[key]
        if isinstance(plan, int):
            return parts[plan][0]
        flat = [t.cpu().reshape(-1, width) for t, _ in parts]
        if isinstance(plan, RowSum):
            whole = torch.zeros(plan.n, width, dtype=torch.promote_types(flat[0].dtype, torch.float32))
            for k, rows, index in plan.all:
                whole.index_add_(0, rows, flat[k][index].to(whole.dtype))
            return whole[plan.chosen].to(flat[0].dtype).reshape(want.shape)
        return plan and Gathered(want.shape, [(flat[k], index, first) for k, index, first in plan])

    def plan(self, source, parts, want, chosen):
        """Where the rows are, as [(part, its rows, first row of the result)], or as a RowSum where a row came twice. An int is the
        number of a part that has another shape; None: rows are missing."""
        count = self.trace.rows if source.startswith(TEXT) else len(want)
        origin, all_, twice = torch.full((count, 2), -1), [], False
        for k, (t, p) in enumerate(parts):
            places = self.places(source, t, p, want.shape[-1])
            if places is None:
                return k
            for rows, index in places:
                twice |= bool((origin[rows, 0] >= 0).any())
                origin[rows] = torch.stack([torch.full_like(index, k), index], 1)
                all_.append((k, rows, index))
        picked = origin[chosen]
        if len(picked) != len(want) or bool((picked[:, 0] < 0).any()):
            return None
        if twice and isinstance(parts, SeenGradients):
            return RowSum(count, all_, chosen)
        ends = [0] + (torch.nonzero(picked[1:, 0] != picked[:-1, 0]).flatten() + 1).tolist() + [len(picked)]
        return [(int(picked[a, 0]), picked[a:b, 1].contiguous(), a) for a, b in zip(ends, ends[1:])]

    def places(self, source, t, p, width):
        """[(rows of the trace, rows of the tensor [-1, width])] of one pass; None: the tensor has another shape."""
        if t.shape[-1] != width:
            return None
        total, out = t.numel() // width, []

        def put(row, first, n): out.append((torch.arange(row, row + n), torch.arange(first, first + n)))
        if not source.startswith(TEXT):
            n = max(len(p.pictures), 1)
            if total % n:
                return None
            for i, k in enumerate(p.pictures):
                put(k * (total // n), i * (total // n), total // n)
            return out
        length = t.shape[-2]
        for b, first, k in p.places:
            a, n = self.trace.spans[k]
            if p.left:
                first += length - sum(self.trace.spans[i][1] for bb, _, i in p.places if bb == b)
            if (b + 1) * length > total or first < 0 or first + n > length:
                return None
            put(a, b * length + first, n)
        return out

    def reference_logits(self):
        """Takes the logits of the reference model, for each role for which the trace has them."""
        for role in dict.fromkeys(self.trace.roles):
            want, parts = self.trace.x.get("input.reference." + role), self.seen.get(("reference", "out"))
            mine = {i for r, (a, n) in zip(self.trace.roles, self.trace.spans) if r == role for i in range(a, a + n)}
            chosen = [i for i in (range(self.trace.rows) if self.trace.picked is None else self.trace.picked.tolist()) if i in mine]
            if want is not None and parts and want.dim() == 2 and len(want) == len(chosen):
                t = self.rows(HEAD, parts, want, chosen)
                if t is not None:
                    self.got["input.reference." + role] = t

    def parameter_results(self):
        """Takes the gradients, the moments and the weights after the step."""
        for k, g in self.gradients.items():
            if "grad." + k in self.trace.x:
                self.got["grad." + k] = torch.zeros_like(self.parameters[k]) if g is None else g
        if not self.update:
            return
        if not self.stepped:
            self.notes.append("no optimiser of torch.optim made a step; the weights are judged as they are at the end")
        self.got.update({k: t for k, t in self.states.items() if k in self.trace.x})
        self.got.update({"after." + k: p.detach() for k, p in self.parameters.items() if "after." + k in self.trace.x})

    # --- the verdict ---
    def report(self, html=None, file=None):
        """Prints the verdict of `pulse-ref verify`, the first wrong answer and where its module is written. Returns verify's exit
        code: 0 within, 1 outside, 2 undecided. All findings are in .findings afterwards, as `verify --json` prints them."""
        status, self.findings, headline = verdict(self.trace.folder, self.out, self.program, self.precision, self.prefix, html)
        print(headline, file=file)
        for note in self.notes:
            print("note: " + note, file=file)
        first = first_offender(self.findings)
        if first is not None:
            print("first: %s: %s" % (first["where"], first["what"]), file=file)
            path = first["where"][len(self.prefix):].split("@")[0].replace("hooked.", "", 1)
            phase = "optimiser" if path.startswith(("after.", "adam.", "sgd.")) else "loss" if path == "loss" else path
            if path in self.where and source_of(self.where[path]):
                print("       forward() of %s: %s" % (type(self.where[path]).__name__, source_of(self.where[path])), file=file)
            line = self.lines.get(phase) or self.lines.get("loss")
            if line:
                print("       called from %s" % line, file=file)
            if first.get("mistake"):
                print("       known mistake: %s (docs/verify-yours.md)" % first["mistake"], file=file)
            for formula in formulas(self.findings):
                print("       it should be: %s" % formula, file=file)
        return status


def find_program(program):
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "pulse-ref")
    found = program or os.environ.get("PULSE_REF") or shutil.which("pulse-ref") or (beside if os.path.exists(beside) else None)
    if not found:
        raise FileNotFoundError("pulse-ref was not found, expected program=, the variable PULSE_REF, or the program in PATH")
    return found


def verdict(folder, got, program=None, precision=None, prefix="", html=None):
    """(exit code, findings, headline) of `pulse-ref verify`."""
    suite = prefix and os.path.abspath(os.path.join(folder, *[".."] * len(prefix.strip("/").split("/"))))
    command = [find_program(program), "verify", suite or folder, got, "--json", "--partial"]
    command += (["--precision", precision] if precision else []) + (["--html", html] if html else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines:
        raise RuntimeError(done.stderr.strip())
    return done.returncode, lines[:-1], lines[-1]["headline"]


def formulas(findings):
    """The formulas of the operators in the module of the first offender, in their order."""
    return next((f["formula"] for f in findings if f["verdict"] == "MODULES" and f.get("formula")), [])


def first_offender(findings):
    """The first wrong answer of the step: that of the first wrong module in the order of `verify`, else the first that is outside."""
    outside = [f for f in findings if f["verdict"] in ("OUTSIDE", "MIS-SHAPED")]
    named = next((f["first"] for f in findings if f["verdict"] == "MODULES" and "first" in f), None)
    return next((f for f in outside if named and f["where"].endswith(named)), outside[0] if outside else None)


def step(model, out, reference, names=None, roles=None, prefix="", image_token=None, update=True, program=None):
    """A context that records the step made inside it into the file `out`.

    reference    the folder that `pulse-ref trace` wrote of the same step
    names        a map from the model's module paths to those of the trace: a dict of beginnings, or a function
    roles        the role of each sample, for a trace that does not say (those of the recorded answers)
    prefix       "step/npo.adamw.b/" for a step of the recorded answers
    image_token  the id that stands for a picture in input_ids; the default is that of model.config
    update       False: only forward and backward are judged
    program      the path of pulse-ref; the default is the variable PULSE_REF, then PATH, then build/ of the checkout"""
    return Capture(model, out, reference, names, roles, prefix, image_token, update, program)


def fill(model, reference, names=None):
    """Copies the trace's weights before the step into the model, adapters too. Returns the names that the model does not have."""
    trace, own = read(os.path.join(reference, "trace.safetensors")), parameters(model, namer(names))
    weights = {k[6:]: t for k, t in trace.items() if k.startswith("param.")}
    with torch.no_grad():
        for name, t in weights.items():
            if name in own:
                if own[name].shape != t.shape:
                    raise ValueError("%s has the shape %s, expected %s" % (name, list(own[name].shape), list(t.shape)))
                own[name].copy_(t)
    return [k for k in weights if k not in own]


# --- feeding ---
def padded(rows, spans):
    out = rows.new_zeros(len(spans), max(n for _, n in spans), rows.shape[-1])
    for b, (a, n) in enumerate(spans):
        out[b, :n] = rows[a:a + n]
    return out


def packed(batch, spans):
    return torch.cat([batch[b, :n] for b, (_, n) in enumerate(spans)])


class Feeder:
    """Feeds the modules of a model with the inputs of a Trace, or of another object with the same attributes."""

    def __init__(self, model, trace, names=None):
        self.trace, self.to, self.model = trace, namer(names), model
        self.notes, self.got = [], {}
        self.where = modules(model, self.to, self.trace)

    def beside(self, path, module, dtype, device):
        """What a module reads besides its activations, by the names of its arguments: masks, positions, the tables of RoPE."""
        x, m = self.trace.x, self.trace.modules[path]
        wanted = inspect.signature(module.forward).parameters
        needed = [k for k, v in wanted.items() if v.default is inspect.Parameter.empty]
        given = {k: None for k in ("attention_mask", "causal_attention_mask") if k in needed}
        if "rope.cos" not in m["inputs"]:
            return given
        longest = max(n for _, n in self.trace.spans)
        positions = padded(self.trace.index(m, "positions").float()[:, None], self.trace.spans)[..., 0].long()
        tables = [x[m["inputs"]["rope." + k]][positions].to(device, dtype) for k in ("cos", "sin")]
        hidden = torch.full((longest, longest), torch.finfo(dtype).min, dtype=dtype, device=device).triu(1)
        all_ = {"position_embeddings": tuple(torch.cat([t, t], -1) for t in tables), "position_ids": positions.to(device),
                "attention_mask": hidden[None, None].expand(len(self.trace.spans), 1, longest, longest)}
        return {**given, **{k: v for k, v in all_.items() if k in wanted or k == "position_embeddings"}}

    def shaped(self, path, rows):
        """The rows in the shape that the module expects, and a function that brings its output back to rows."""
        if path.startswith(VISION):
            n = len(self.trace.pixels)
            return rows.reshape(n, -1, rows.shape[-1]), lambda y: y.reshape(-1, y.shape[-1])
        if path.startswith(TEXT) and "positions" in self.trace.modules[path]["index"]:
            return padded(rows, self.trace.spans), lambda y: packed(y, self.trace.spans)
        return rows[None], lambda y: y.reshape(-1, y.shape[-1])

    def run(self, path, module):
        x, m = self.trace.x, self.trace.modules[path]
        parameter = next(module.parameters(), None)
        dtype, device = (parameter.dtype, parameter.device) if parameter is not None else (torch.float32, "cpu")
        if "pixels" in m["inputs"]:
            fed, back = x[m["inputs"]["pixels"]].to(device, dtype), lambda y: y.reshape(-1, y.shape[-1])
            rows = None
        else:
            rows = x[m["in"]].clone().to(device, dtype).requires_grad_()
            fed, back = self.shaped(path, rows)
        y = back(first_tensor(module(fed, **self.beside(path, module, dtype, device))))
        self.put(path, "out", y)
        own = {self.to("%s.%s" % (path, k)): p for k, p in module.named_parameters() if ".original_module." not in k}
        wanted = {"grad.in": rows} if "grad.in" in m["answers"] and rows is not None else {}
        for answer in m["answers"]:
            p = own.get("%s.%s" % (path, answer[5:])) if answer.startswith("grad.") and answer != "grad.in" else None
            if p is not None:
                wanted[answer] = p
        dy = x.get(m.get("grad.out"))
        if dy is None or dy.shape != y.shape or not y.requires_grad:
            return
        dy = dy.to(y.device, y.dtype)
        for answer, g in zip(wanted, torch.autograd.grad(y, list(wanted.values()), dy, allow_unused=True) if wanted else ()):
            if g is not None:
                self.put(path, answer, g)

    def put(self, path, answer, t):
        if answer in self.trace.modules[path]["answers"]:
            self.got["%s@%s" % (path, answer)] = t.detach()

    def update(self, optimiser):
        """Takes one step of the user's optimiser from the trace's clipped gradients. The weights are put back afterwards."""
        m, x, own = self.trace.modules["optimiser"], self.trace.x, parameters(self.model, self.to)
        before = {k: p.detach().clone() for k, p in own.items()}
        for k, p in own.items():
            name = m["inputs"].get("grad." + k)
            p.grad = x[name].to(p.device, p.dtype) if name in x else None
        optimiser.step()
        for answer in m["answers"]:
            kind, k = next(((s, answer[len(s):]) for s in ("after.", *MOMENTS) if answer.startswith(s)), ("", ""))
            t = own.get(k) if kind == "after." else optimiser.state.get(own.get(k), {}).get(MOMENTS.get(kind))
            if t is not None:
                self.put("optimiser", answer, t.detach().clone())
        with torch.no_grad():
            for k, p in own.items():
                p.copy_(before[k])
                p.grad = None

    def all(self, optimiser=None):
        """Feeds every module that can be called alone, and the optimiser if one is given."""
        before = {p: p.requires_grad for p in self.model.parameters()}
        try:
            for p in before:
                p.requires_grad_(True)
            for path, module in self.where.items():
                if path not in ("language_model", "language_model.model", VISION + "vision_model"):
                    self.run(path, module)
        finally:
            for p, value in before.items():
                p.requires_grad_(value)
        if optimiser is not None:
            self.update(optimiser)
        if not self.got:
            raise ValueError(no_names_sentence(self.trace, self.model))


def feed(model, reference, out, names=None, roles=None, prefix="", optimiser=None, program=None, file=None):
    """Runs each module of the model alone, from the inputs and the gradients that the trace has, writes the answers to `out`, and prints
    the verdict: proven bounds apply, and the first module that differs is the culprit. With `optimiser`, this optimiser makes one step
    from the trace's gradients, too; the weights are put back, its state is not. Returns the exit code of verify."""
    f = Feeder(model, Trace(reference, roles), names)
    f.all(optimiser)
    write(out, {prefix + k: t for k, t in f.got.items()})
    status, findings, headline = verdict(reference, out, program, None, prefix)
    print(headline, file=file)
    first = first_offender(findings)
    if first is not None:
        print("first: %s: %s" % (first["where"], first["what"]), file=file)
        module = f.where.get(first["where"][len(prefix):].split("@")[0])
        if module is not None and source_of(module):
            print("       forward() of %s: %s" % (type(module).__name__, source_of(module)), file=file)
    return status
