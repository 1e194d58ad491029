# SPDX-License-Identifier: MIT
"""Records one optimiser step of a JAX model, so that `pulse-ref verify` can judge it. One file; it needs jax and numpy alone.

    pulse-ref trace --model MODEL --batch batch.jsonl --method ga --out trace/           # the right step

    import pulse_capture_jax as capture
    s = capture.Step("trace/", "got.safetensors")
    params = s.params()                                    # {"language_model.lm_head.weight": array, …}, the weights before the step
    loss, grads = jax.value_and_grad(my_loss)(params, s)   # s.rows: ids, positions, segments, pixels, labels … as packed rows
    after, m, v = my_adamw(params, grads)
    s.ends(loss=loss, grads=grads, after=after, m=m, v=v)  # any of these may be left out
    s.report()                                             # 0 within, 1 outside, 2 undecided

Inside the model, `x = s.tap("multi_modal_projector", x)` returns x, and records x and its gradient as the output of that module of the
trace; s.tap(path, x, "in") records x as the input of a module. It works under jit and grad. x has the packed rows of the trace, [rows,
width], or is [samples, longest, width] with all samples in their order, padded on the right. A pytree of parameters may be nested: its
keys, joined by dots, are the names of the trace. Where they differ, `names` is a function that maps them to the names of the trace."""
import json
import os
import shutil
import struct
import subprocess

import jax
import numpy as np

DTYPES = {"F32": "<f4", "I32": "<i4", "U8": "u1", "F64": "<f8", "I64": "<i8", "F16": "<f2"}


def read(path):
    """{name: array} of a safetensors file."""
    with open(path, "rb") as f:
        head, data = json.loads(f.read(struct.unpack("<Q", f.read(8))[0])), f.read()
    head.pop("__metadata__", None)
    return {k: np.frombuffer(data[slice(*v["data_offsets"])], DTYPES[v["dtype"]]).reshape(v["shape"]) for k, v in head.items()}


def write(path, tensors):
    head, at, tensors = {}, 0, {k: np.asarray(t) for k, t in sorted(tensors.items())}
    for k, t in tensors.items():
        kind = "BF16" if t.dtype.name == "bfloat16" else {v: k for k, v in DTYPES.items()}[t.dtype.newbyteorder("<").str.replace("|", "")]
        head[k], at = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}, at + t.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))
    os.replace(path + ".part", path)


def flat(tree, to=lambda name: name):
    """{name: array} of a pytree."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {to(".".join(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path)): leaf for path, leaf in leaves}


class Step:
    def __init__(self, trace, out, names=None, program=None):
        self.folder, self.out, self.to, self.program = trace, out, names or (lambda name: name), program
        with open(os.path.join(trace, "trace.json"), encoding="utf-8") as f:
            self.root = json.load(f)
        self.x, self.seen, self.got = read(os.path.join(trace, "trace.safetensors")), [], {}
        self.modules = {m["module"]: m for m in self.root["modules"]}
        # what the modules read beside their activations, by the names of trace.json; but what the vision tower reads is
        # picture.<name> (except for pixels), and `picked` are the rows that reach the head
        self.rows = {}
        for path, m in self.modules.items():
            for k, v in {**m["inputs"], **m["index"]}.items():
                if path not in ("clip", "optimiser"):
                    name = "picture." + k if path.startswith("vision_tower") and k != "pixels" else k
                    self.rows.setdefault("picked" if path == "language_model.model" and k == "ids" else name, self.x[v])
        self.spans = [(int(a), int(n)) for a, n, _, _ in self.rows["segments"].reshape(-1, 4)]

    def params(self):
        return {k[6:]: jax.numpy.asarray(t) for k, t in self.x.items() if k.startswith("param.")}

    def tap(self, path, x, what="out"):
        """Returns x, and records it as the output ("out") or the input ("in") of a module, with its gradient ("grad.out", "grad.in")."""
        @jax.custom_vjp
        def identity(x):
            return x
        identity.defvjp(lambda x: (x, None), lambda _, g: (self.record(path, "grad." + what, g) or g,))
        self.record(path, what, x)
        return identity(x)

    def record(self, path, what, x):
        jax.debug.callback(lambda t: self.seen.append((path, what, np.asarray(t))), x)

    def ends(self, loss=None, grads=None, after=None, m=None, v=None, **more):
        """Takes the results of the step; the trees are like the parameters. `more`: other names of the trace, such as logits."""
        self.got.update({k: t for k, t in more.items()})
        if loss is not None:
            self.got["loss"] = np.asarray(loss, "f4").reshape(self.x["loss"].shape)
        for kind, tree in (("grad.", grads), ("after.", after), ("adam.m.", m), ("adam.v.", v)):
            self.got.update({kind + k: t for k, t in flat(tree, self.to).items() if kind + k in self.x})

    def packed(self, t, want):
        """t, with its rows packed as in the trace; t as it is, if it has not as many numbers as `want`."""
        if t.ndim == 3 and t.shape[0] == len(self.spans) and t.size != want.size:
            t = np.concatenate([t[b, :n] for b, (_, n) in enumerate(self.spans)])
        return t.reshape(want.shape) if t.size == want.size else t

    def report(self, precision=None, partial=True, file=None):
        """Writes the file and prints the verdict. Returns the exit code of `pulse-ref verify`; all findings are in .findings."""
        jax.effects_barrier()
        for path, what, t in self.seen:
            m = self.modules.get(path)
            if m is None:
                raise ValueError("tap: the trace has no module %s, expected one of trace.json" % path)
            name = m.get(what) or m["answers"].get(what)
            if name is not None:
                self.got["hooked.%s@%s" % (path, what)] = self.packed(t, self.x[name])
        write(self.out, self.got)
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "pulse-ref")
        program = self.program or os.environ.get("PULSE_REF") or shutil.which("pulse-ref") or beside
        command = [program, "verify", self.folder, self.out, "--json", *["--partial"] * partial,
                   *(["--precision", precision] if precision else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not done.stdout:
            raise RuntimeError(done.stderr.strip())
        *self.findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
        outside = [f for f in self.findings if f["verdict"] in ("OUTSIDE", "MIS-SHAPED")]
        named = next((f["first"] for f in self.findings if "first" in f), None)
        first = next((f for f in outside if f["where"] == named), outside[0] if outside else None)
        print(summary["headline"] + ("" if first is None else "\nfirst: %s: %s" % (first["where"], first["what"])), file=file)
        return done.returncode
