# SPDX-License-Identifier: MIT
"""ref/python/pulse.py gives the recorded answers, bit for bit, and refuses bad input. Needs numpy; run it at the root of
the project. PULSE_PY is the folder of another pulse.py, such as that of an unpacked wheel."""
import io
import json
import os
import re
import sys
import tempfile
import threading

import numpy as np

sys.path[:0] = [os.environ.get("PULSE_PY", os.path.join("ref", "python")), os.path.join("tests", "python")]
import pulse  # noqa: E402
from support import VECTORS, cases, check, finish, load, raises, same_bits, save  # noqa: E402

F = np.float32
OPERATORS = {name: f for name, f in pulse.ops().items()}


def texts(rows, lengths):
    return [rows[k, :n].tobytes().decode("utf-8", "surrogateescape") for k, n in enumerate(lengths)]


# --- recorded answers ---

def attributes_of(name, attrs, index):
    """The attributes of a recorded node, with its index data under the name that the operator's record gives them."""
    wanted = [p.name for p in OPERATORS[name].__signature__.parameters.values() if p.kind == p.KEYWORD_ONLY]
    given = {k: float.fromhex(attrs[k + ".hex"]) if k + ".hex" in attrs else attrs[k] for k in wanted if k in attrs and not isinstance(attrs[k], str)}
    return {**given, **{k: index for k in wanted if isinstance(attrs.get(k), str)}}


def op_cases():
    for folder, case in cases("op"):
        t = load(folder + "in.safetensors")
        inputs = [t[p.name] for p in OPERATORS[case["op"]].__signature__.parameters.values() if p.kind != p.KEYWORD_ONLY and p.name in t]
        attrs = attributes_of(case["op"], case["attrs"], t.get("index"))
        want = load(folder + "out.safetensors")
        same_bits(pulse.op(case["op"], *inputs, **attrs), want["y"])
        y, b = pulse.bound(case["op"], *inputs, **attrs)
        same_bits(y, want["y"])
        same_bits(b, want["bound.y"])


def trace_nodes():
    """Computes every node of the recorded steps alone, from its recorded inputs."""
    seen = set()
    for folder, _ in cases("step"):
        t = load(folder + "trace.safetensors")
        with open(folder + "trace.json") as f:
            nodes = json.load(f)["nodes"]
        for node in nodes:
            index = [t[v] for v in node["attrs"].values() if isinstance(v, str) and v.startswith("index.")]
            got = pulse.op(node["op"], *[t[i] for i in node["inputs"]], **attributes_of(node["op"], node["attrs"], index[0] if index else None))
            same_bits(got, t[node["output"]])
            seen.add(node["op"])
    assert len(seen) >= 40, "the steps have %d operators" % len(seen)


def shapes_are_true():
    """The shapes in an operator's record hold for every node of the recorded steps, if they are letters, attributes or […]."""
    records, stated = {r.name: r.json["shapes"] for r in pulse._records().values()}, set()
    assert all(text.count("->") == 1 for text in records.values())
    for folder, _ in cases("step"):
        t = load(folder + "trace.safetensors")
        with open(folder + "trace.json") as f:
            nodes = json.load(f)["nodes"]
        for node in nodes:
            text = records[node["op"]]
            if re.search("[*/+]| or |, E|, …|dim0", text):
                continue
            size = {k: v for k, v in node["attrs"].items() if isinstance(v, int)}
            left, right = ([w.split(", ") if w else [] for w in re.findall(r"\[(.*?)\]", side)] for side in text.split("->"))
            for words, name in [*zip(left, node["inputs"]), (right[0], node["output"])]:
                shape = t[name].shape
                if words == ["…"]:
                    words, shape = ["any"], (shape,)
                assert len(words) == len(shape) and all(size.setdefault(w, n) == n for w, n in zip(words, shape)), (node["op"], text, shape)
            stated.add(node["op"])
    assert len(stated) >= 25, stated


def loss_cases():
    methods = set()
    for folder, case in cases("loss"):
        t, want = load(folder + "in.safetensors"), load(folder + "out.safetensors")
        parts = {r: pulse.Part(*[t.get(w + r) for w in ("z.", "labels.", "offsets.", "z_ref.")]) for r in pulse.ROLES if "z." + r in t}
        hyper = dict(v.split("=") for v in case["variants"].split())
        got = pulse.loss(case["method"], **parts, **hyper)
        same_bits(got.value, want["loss"])
        for r, g in got.gradient.items():
            if "dz." + r in want:
                same_bits(g, want["dz." + r])
            else:
                assert not g.any(), (folder, r)                 # for a role of which only the labels are read
        methods.add(case["method"])
    assert len(methods) >= 14, methods


def unsupervised_rows():
    """For every method on logits, rows without a label change neither the loss nor the gradients of the other rows."""
    rng, tried = np.random.default_rng(9), 0
    labels = np.array([[-1, 3, 4, -1], [-100, -1, 2, 0]], np.int64)
    z, reference = rng.standard_normal((2, 4, 6), F), rng.standard_normal((2, 4, 6), F)
    rows = labels >= 0
    few = dict(labels=labels[rows], offsets=[0, 2, 4])
    for name, record in pulse.methods().items():
        if record["on"] != "logits":
            continue
        unread = (("undial", "retain"), ("ce_u", "retain"), ("mmunlearner", "forget_text"), ("o3", "retain"))   # unread by default
        needs = [r for r in record["needs"] if (name, r) not in unread]
        whole = {r: pulse.Part(z, labels, None, reference if r in record["reference"] else None) for r in needs}
        alone = {r: dict(few, logits=z[rows], reference=reference[rows] if r in record["reference"] else None) for r in needs}
        hyper = {"kl_norm": "supervised"} if name == "llmu" else {}             # its KL is over all positions by default
        got, want = pulse.loss(name, **whole, **hyper), pulse.loss(name, **alone, **hyper)
        same_bits(got.value, want.value)
        for r in needs:
            assert (got.gradient[r][rows] == want.gradient[r]).all() and not got.gradient[r][~rows].any(), (name, r)
        tried += 1
    assert tried >= 14, tried


def tokenizer_cases():
    for folder, _ in cases("tok"):
        t, want = load(folder + "in.safetensors"), load(folder + "out.safetensors")
        with pulse.Tokenizer(folder + "tokenizer.json") as tokenizer:
            for text, ids, decoded in zip(texts(t["text"], t["text.length"]), want["ids"], texts(want["decoded"], want["decoded.length"])):
                got = tokenizer.encode(text, special=True)
                same_bits(got, ids[:len(got)])
                assert (ids[len(got):] == -1).all() and tokenizer.decode(got) == decoded


def mask_cases():
    for folder, case in cases("mask"):
        want = load(folder + "out.safetensors")
        tokenizer = pulse.Tokenizer(VECTORS + case["tokenizer"])
        for k, turn in enumerate(case["turns"]):
            rows = slice(*want["offsets"][k:k + 2])
            p = tokenizer.prompt(turn["question"], turn["answer"], case["image_tokens"] if turn["image"] else 0, case["template"], case["mask"])
            same_bits(p.ids, want["ids"][rows])
            same_bits(p.targets, want["targets"][rows])
            if turn["image"]:
                assert [p.image.start, p.image.stop - p.image.start] == want["image"][k].tolist()


def picture_cases():
    """All cases but those with fused normalisation, which a preprocessor_config.json cannot ask for."""
    for folder, case in cases("prep"):
        if case["normalise"] == "fused":
            continue
        want, processor = load(folder + "out.safetensors"), pulse.Processor(folder + "preprocessor_config.json")
        picture = [folder + f for f in sorted(os.listdir(folder)) if f.startswith("picture.")][0]
        same_bits(processor(picture), want["pixels"])
        with open(picture, "rb") as f:
            same_bits(processor(f.read()), want["pixels"])
        same_bits(processor(want["decoded"].copy()), want["pixels"])


def batch_of(model, batch):
    pictures = load(model.folder + "/pictures.safetensors")["images"]
    with open(model.folder + "/" + batch) as f:
        lines = [json.loads(line) for line in f]
    return [model.sample(s["question"], s["answer"], pictures[int(s["image"].split("#")[1])] if "image" in s else None, s["group"]) for s in lines]


def steps():
    for folder, case in cases("step"):
        want = load(folder + "trace.safetensors")
        model = pulse.Model(VECTORS + "models/" + case["model"])
        need = pulse.methods()[case["method"]]["needs"]
        need += ["forget"] * any(r in need for r in ("refusal", "alternate", "random"))     # they answer the forget questions
        samples = [s for s in batch_of(model, case["batch"]) if s.role in need]
        reference = case["reference"] and VECTORS + "models/" + case["reference"]
        with model.trainer(case["method"], reference, dict(v.split("=") for v in case["settings"])) as trainer:
            got = trainer.step(samples)
            assert set(got.names()) == set(want), set(got.names()) ^ set(want)
            for name in want:
                same_bits(got[name], want[name])
            same_bits(got.loss, want["loss"])
            assert set(got.gradients()) == {n[5:] for n in want if n.startswith("grad.") and not n[6:].isdigit()}
            assert trainer.step(samples).loss.tobytes() != want["loss"].tobytes()
            raises("bad input", "superseded", lambda: got["loss"])


def a_method_keeps_its_numbers():
    """pdu without its forget term is L = a CE(retain). Its factor a begins as 1; each step adds 2 CE, rounded. The model stays the same."""
    model = pulse.Model(VECTORS + "models/tiny-llava-mini")
    samples = [s for s in batch_of(model, "batch.jsonl") if s.role in ("forget", "retain")]
    keys = {"optimiser.lr": 1e-30, "optimiser.weight_decay": 0, "train.trainable": "llm"}
    with model.trainer("pdu", settings=keys, gamma=0, alpha=1, retain_limit=0, dual_step=2, dual_warmup=0) as trainer:
        ce = trainer.step(samples).loss
        factor = F(1) + F(2) * ce
        for _ in range(3):
            same_bits(trainer.step(samples).loss, factor * ce)
            factor = factor + F(2) * ce


# --- models ---

def adapters():
    """An adapter whose B is zero changes nothing, and a list of adapters has the factors of each."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = pulse.Model(VECTORS + "models/tiny-llava-mini")
        sample = plain.sample("who is this ?", "ann")
        names = [adapter_of(plain, scratch + "/" + n, n) for n in ("one", "two")]
        for chosen in (None, names[0], names[:1], tuple(names)):
            model = pulse.Model(plain.folder, chosen)
            n = 0 if chosen is None else 1 if isinstance(chosen, str) else len(chosen)
            factors = [p for p in model.parameters() if ".lora_" in p]
            assert len(factors) == 2 * n and sum(p.endswith(".lora_B.2.weight") for p in factors) == (n == 2), factors
            same_bits(model.score([sample])[0].nll, plain.score([sample])[0].nll)
        raises("bad input", "given twice", lambda: pulse.Model(plain.folder, [names[0], names[0]]))


def adapter_of(model, folder, name):
    """Writes an adapter of rank 1 on one linear map, in the layout of PEFT."""
    module = "language_model.model.layers.0.self_attn.v_proj"
    out, in_ = model.parameters()[module + ".weight"].shape
    os.makedirs(folder)
    save(folder + "/adapter_model.safetensors", {"base_model.model." + module + ".lora_A.weight": np.ones((1, in_), F),
                                                 "base_model.model." + module + ".lora_B.weight": np.zeros((out, 1), F)})
    with open(folder + "/adapter_config.json", "w") as f:
        json.dump({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["v_proj"]}, f)
    return folder


def forward():
    model = pulse.Model("fixtures/models/vanilla")
    s = model.sample("what is the capital of this country ?", "paris", image="fixtures/world/flags/fr.png")
    r = model.forward([s])
    layers = model.config["text_config"]["num_hidden_layers"]
    assert r["logits"].shape == (len(s.ids), model.config["text_config"]["vocab_size"]) and "hidden_states.%d" % layers in r
    head = model.parameters()["language_model.lm_head.weight"]
    normed = r["language_model.model.norm"]
    same_bits(pulse.op("linear", normed, head), r["logits"])
    supervised = np.flatnonzero(s.targets >= 0)
    nll = pulse.op("nll", r["logits"][supervised], labels=s.targets[supervised])
    score = model.score([s])[0]
    same_bits(score.nll, pulse.op("sum", nll))
    assert score.tokens == len(supervised) and score.right == (r["logits"][supervised].argmax(1) == s.targets[supervised]).sum()
    assert model.ask("what is the capital of this country ?", "fixtures/world/flags/fr.png") == "paris"


def packed_or_alone():
    model = pulse.Model("fixtures/models/vanilla")
    a, b = model.sample("what is the capital of france ?", "paris"), model.sample("what is this ?", "a flag", image="fixtures/world/flags/fr.png")
    both = model.forward([a, b])["logits"]
    same_bits(both, np.concatenate([model.forward([a])["logits"], model.forward([b])["logits"]]))


# --- operators, bounds, optimiser ---

def documented():
    for name, f in OPERATORS.items():
        assert f.__name__ == name and len(f.__doc__) > 40 and f.__signature__.parameters, name
    assert "[N, C] -> [N, C]" in OPERATORS["layernorm"].__doc__ and "labels" in str(OPERATORS["nll"].__signature__)
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        help(OPERATORS["softmax"])
        assert "softmax(z, /)" in sys.stdout.getvalue()
    finally:
        sys.stdout = out


def close():
    rng = np.random.default_rng(7)
    x, w = rng.standard_normal((24, 40), F), rng.standard_normal((16, 40), F)
    y = x @ w.T
    pulse.assert_close(y, "linear", x, w)
    bf = [pulse.from_bf16(pulse.to_bf16(a)) for a in (x, w)]
    mixed = pulse.to_bf16(bf[0] @ bf[1].T)
    for got, precision, good in ((mixed, "bf16", True), (y, "bf16", True), (mixed, "fp32", False), (x @ w[::-1].T, "bf16", False),
                                 (np.where(y == y[3, 4], F(np.nan), y), "fp32", False), (np.full_like(y, np.inf), "bf16", False)):
        try:
            pulse.assert_close(got, "linear", x, w, precision=precision)
            failed = False
        except AssertionError as e:
            failed = "outside the bound" in str(e)
        assert failed != good, (precision, good)
    pulse.assert_close(np.array([np.nan, np.inf], F), "exp", np.array([np.nan, np.inf], F))


def bf16():
    x = np.array([1, -2.5, 3.4e38, 1 + 2**-8, 1 + 3 * 2**-8, 1e-40, np.inf, -0.0], F)
    want = np.array([0x3f80, 0xc020, 0x7f80, 0x3f80, 0x3f82, 0x0001, 0x7f80, 0x8000], np.uint16)
    same_bits(pulse.to_bf16(x).view(np.uint16), want)
    assert np.isnan(pulse.from_bf16(pulse.to_bf16(np.array([np.nan], F))))
    w = np.random.default_rng(1).standard_normal((5, 7), F)
    half = pulse.to_bf16(w)
    a = np.ones((3, 7), F)
    same_bits(pulse.op("linear", a, half), pulse.op("linear", a, pulse.from_bf16(half)))


def optimiser():
    """Two steps of the optimiser are those of the operators, called one by one."""
    rng = np.random.default_rng(3)
    w, o = rng.standard_normal((4, 3), F), pulse.Optimiser(kind="adamw", lr=0.01, beta2=0.999, weight_decay=0.1, max_norm=1)
    m = v = np.zeros_like(w)
    p1 = p2 = 1.0
    for _ in range(2):
        g = rng.standard_normal(w.shape, F)
        before, new = w.copy(), o.step({"w": w}, {"w": g})["w"]
        same_bits(w, before)
        norm = pulse.op("square_norm", g)
        same_bits(o.norm, norm)
        g = pulse.op("scale_by", g, pulse.op("clip_factor", norm, max_norm=1.0))
        m, v = pulse.op("adam_m", m, g, beta1=0.9), pulse.op("adam_v", v, g, beta2=0.999)
        p1, p2 = p1 * float(F(0.9)), p2 * float(F(0.999))
        w = pulse.op("adamw", w, m, v, lr=0.01, eps=1e-8, decay=0.1, c1=1 - p1, c2=1 - p2)
        same_bits(new, w)
        same_bits(o.m["w"], m)
    assert o.step_count == 2 and o.lr == F(0.01) and pulse.schedule(2, lr=0.01, schedule="linear", warmup=4, steps=10) == F(0.005)


def threads():
    """Two threads at once both give the bits of a thread alone."""
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((64, 96), F), rng.standard_normal((80, 96), F)
    want, failures = pulse.op("linear", x, w), []

    def work():
        try:
            for _ in range(50):
                same_bits(pulse.op("linear", x, w), want)
                raises("bad input", "no operator", lambda: pulse.op("nothing", x))
        except Exception as e:
            failures.append(e)
    both = [threading.Thread(target=work) for _ in range(2)]
    [t.start() for t in both]
    [t.join() for t in both]
    assert not failures, failures


def after_fork():
    x = np.random.default_rng(6).standard_normal((300, 300), F)
    want = pulse.op("linear", x, x)
    child = os.fork()
    if child == 0:
        os._exit(0 if pulse.op("linear", x, x).tobytes() == want.tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0
    same_bits(pulse.op("linear", x, x), want)


def other_arrays():
    x = np.random.default_rng(8).standard_normal((3, 5), F)
    want = pulse.op("softmax", x)

    class ByArray:
        def __array__(self, dtype=None, copy=None): return x

    class ByCapsule:
        def __dlpack__(self, **how): return x.__dlpack__(**how)
        def __dlpack_device__(self): return x.__dlpack_device__()
    same_bits(pulse.op("softmax", ByArray()), want)
    same_bits(pulse.op("softmax", ByCapsule()), want)
    x = np.asfortranarray(x)
    raises("bad input", "is not contiguous", lambda: pulse.op("softmax", ByCapsule()))


# --- refusals ---

X = np.ones((2, 3), F)
REFUSED = [
    ("float64", "is float64, expected float32", lambda: pulse.op("softmax", X.astype(np.float64))),
    ("integers for numbers", "is int64, expected float32", lambda: pulse.op("softmax", np.ones((2, 3), np.int64))),
    ("float16 where float32 is meant", "is float16, expected float32", lambda: pulse.op("softmax", X.astype(np.float16))),
    ("big-endian numbers", "expected float32", lambda: pulse.op("softmax", X.astype(">f4"))),
    ("a transposed array", "is not contiguous", lambda: pulse.op("softmax", X.T)),
    ("every second column", "is not contiguous", lambda: pulse.op("softmax", np.ones((2, 6), F)[:, ::2])),
    ("a list", "is of the type list", lambda: pulse.op("softmax", [[1.0, 2.0]])),
    ("None", "expected an array", lambda: pulse.op("softmax", None)),
    ("rank 5", "has rank 5", lambda: pulse.op("exp", np.ones((1,) * 5, F))),
    ("an unknown operator", "there is no operator", lambda: pulse.op("nothing", X)),
    ("too few inputs", "add", lambda: pulse.op("add", X)),
    ("too many inputs", "softmax", lambda: pulse.op("softmax", X, X)),
    ("shapes that do not fit", "do not fit", lambda: pulse.op("linear", X, np.ones((2, 4), F))),
    ("an unknown attribute", "is unknown", lambda: pulse.op("layernorm", X, eps=1e-5, epsilon=1)),
    ("a missing attribute", "is missing", lambda: pulse.op("layernorm", X)),
    ("NaN as an attribute", "nan", lambda: pulse.op("layernorm", X, eps=float("nan"))),
    ("missing labels", "labels is missing", lambda: pulse.op("nll", X)),
    ("a label that is no class", "label", lambda: pulse.op("nll", X, labels=[0, 3])),
    ("labels that do not fit int32", "goes from", lambda: pulse.op("nll", X, labels=[0, 2**40])),
    ("labels that are not integers", "expected integers", lambda: pulse.op("nll", X, labels=[0.0, 1.0])),
    ("an operator without a rule of bounds", "no rule", lambda: [pulse.bound("argmax", X)]),
    ("an unknown precision", "precision", lambda: pulse.assert_close(X, "exp", X, precision="fp8")),
    ("an unknown method", "there is no method", lambda: pulse.loss("nothing", forget=(X, [0, 1]))),
    ("a method without a loss on logits", "no loss on logits", lambda: pulse.loss("rmu", forget=(X, [0, 1]))),
    ("a role that is missing", "needs retain samples", lambda: pulse.loss("ga_klr", forget=(X, [0, 1]))),
    ("a role too many", "reads no", lambda: pulse.loss("ga", forget=(X, [0, 1]), retain=(X, [0, 1]))),
    ("a reference that is missing", "reference", lambda: pulse.loss("npo", forget=(X, [0, 1]))),
    ("a reference of another shape", "expected the shape of the logits", lambda: pulse.loss("npo", forget=(X, [0, 1], None, np.ones((2, 4), F)))),
    ("labels of another shape", "expected [rows, V]", lambda: pulse.loss("ga", forget=(X, [0, 1, 2]))),
    ("offsets that do not end with the rows", "offsets", lambda: pulse.loss("ga", forget=(X, [0, 1], [0, 3]))),
    ("a sample without a supervised row", "no supervised row", lambda: pulse.loss("ga", forget=(X, [-100, -1]))),
    ("an unknown hyperparameter", "nothing", lambda: pulse.loss("ga", forget=(X, [0, 1]), nothing=1)),
    ("a hyperparameter out of its range", "beta", lambda: pulse.loss("npo", forget=(X, [0, 1], None, X), beta=-1.0)),
    ("a hyperparameter that is an array", "is of the type ndarray", lambda: pulse.loss("npo", forget=(X, [0, 1], None, X), beta=np.ones(1))),
    ("a gradient of another shape", "expected the shape of its values", lambda: pulse.Optimiser().step({"w": X}, {"w": np.ones(3, F)})),
    ("a gradient without values", "without values", lambda: pulse.Optimiser().step({"w": X}, {"v": X})),
    ("an unknown optimiser", "kind", lambda: pulse.Optimiser(kind="lion").step({"w": X}, {"w": X})),
    ("a picture that is not a picture", "picture", lambda: pulse.Processor("fixtures/models/vanilla/preprocessor_config.json")(b"no picture")),
    ("a picture of float32", "expected uint8", lambda: pulse.Processor("fixtures/models/vanilla/preprocessor_config.json")(np.ones((4, 4, 3), F))),
    ("a picture of one channel", "expected [height, width, 3]",
     lambda: pulse.Processor("fixtures/models/vanilla/preprocessor_config.json")(np.ones((4, 4), np.uint8))),
    ("an id beyond the vocabulary", "expected 0 to", lambda: pulse.Model("fixtures/models/vanilla").forward([pulse.Sample([10**6])])),
    ("pixels of another size", "pixels", lambda: pulse.Model("fixtures/models/vanilla").forward([pulse.Sample([1, 793], None, np.ones((3, 4, 4), F))])),
    ("an unknown role", "the role is", lambda: pulse.Model("fixtures/models/vanilla").forward([pulse.Sample([1], role="nobody")])),
    ("no sample", "no sample", lambda: pulse.Model("fixtures/models/vanilla").forward([])),
    ("NUL in a question", "NUL", lambda: pulse.Tokenizer("fixtures/models/vanilla/tokenizer.json").prompt("a\0b")),
    ("half of a surrogate pair", "not Unicode text", lambda: pulse.Tokenizer("fixtures/models/vanilla/tokenizer.json").encode("\ud800")),
    ("bytes for a text", "not Unicode text", lambda: pulse.Tokenizer("fixtures/models/vanilla/tokenizer.json").encode(b"a")),
    ("threads below zero", "threads", lambda: pulse.configure(threads=-1)),
]


def a_missing_folder():
    return raises("input or output", "config.json", lambda: pulse.Model("fixtures/models/nothing"))


def a_small_limit():
    pulse.configure(memory_limit=10000)
    try:
        return raises("no memory", "", lambda: pulse.op("linear", np.ones((300, 300), F), np.ones((300, 300), F)))
    finally:
        pulse.configure()


check("the version names the soname and the definition of the bits", lambda: "libpulseref.so.0 spec 1" in pulse.version() and pulse.engine() != "")
check("pulse.op and pulse.bound give every recorded result and its bounds", op_cases)
check("pulse.op alone gives every node of the recorded steps", trace_nodes)
check("the shapes in the operators' records are those of the recorded steps", shapes_are_true)
check("pulse.loss gives every recorded loss and its gradients", loss_cases)
check("rows without a label have no effect on a loss", unsupervised_rows)
check("pulse.Tokenizer encodes and decodes every recorded text", tokenizer_cases)
check("pulse.Tokenizer.prompt gives every recorded prompt and mask", mask_cases)
check("pulse.Processor gives every recorded picture (not fused) from its file, its bytes and its array", picture_cases)
check("a trainer gives every recorded step with all its numbers; a result is invalid after the next step", steps)
check("a forward pass agrees with its operators, with the score and with the answer", forward)
check("samples give the same bits packed together and alone", packed_or_alone)
check("a method keeps its numbers from step to step", a_method_keeps_its_numbers)
check("a model has one adapter, or several", adapters)
check("each operator has a signature and a docstring", documented)
check("assert_close accepts correct results and no others, at fp32 and bf16", close)
check("bfloat16 is rounded to nearest even, and read as it is", bf16)
check("arrays that offer __array__ or __dlpack__ are read; one that is not contiguous is refused", other_arrays)
check("the optimiser's steps are those of its operators", optimiser)
check("two threads at once give the bits of a thread alone", threads)
check("after fork() the child gives the same bits", after_fork)
for what, part, call in REFUSED:
    check("refused: " + what, lambda: raises("bad input", part, call))
check("a missing folder is an error of input or output", a_missing_folder)
check("the memory limit is obeyed", a_small_limit)
finish()
