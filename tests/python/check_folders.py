# SPDX-License-Identifier: MIT
# environments: 5 4
"""Model folders and adapters: pulse-ref reads what transformers and PEFT save, and they open what pulse-ref writes."""
import json
import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import peft
import torch
import transformers
from transformers import AutoProcessor, LlavaForConditionalGeneration

PULSE = os.environ.get("PULSE", "build/pulse-ref")
VANILLA, WORLD = "fixtures/models/vanilla", os.path.abspath("fixtures/world")
QUESTION = "what is the capital of this country ?"
number = failed = 0


def check(what, good):
    global number, failed
    number += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {what} (transformers {transformers.__version__})", flush=True)


def nll(model, *more):
    """The loss of the answer "paris" with the flag of France, as pulse-ref prints it, or its error."""
    done = subprocess.run([PULSE, "ask", "--model", model, "--image", WORLD + "/flags/fr.png", QUESTION, "--choices", "paris|rome", "--json", *more],
                          capture_output=True, text=True)
    return json.loads(done.stdout)["choices"][0]["nll"] if done.returncode == 0 else done.stderr.strip()


def inputs():
    """The flag of France, the question and the answer "paris", for transformers. Only the answer has labels."""
    from PIL import Image
    processor = AutoProcessor.from_pretrained(VANILLA)
    picture = Image.open(WORLD + "/flags/fr.png").convert("RGB")
    prompt = processor(images=picture, text=f"USER: <image> {QUESTION} ASSISTANT:", return_tensors="pt")
    answer = processor.tokenizer(" paris</s>", add_special_tokens=False, return_tensors="pt").input_ids
    ids = torch.cat([prompt["input_ids"], answer], 1)
    labels = ids.clone()
    labels[:, :-answer.shape[1]] = -100
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=prompt["pixel_values"], labels=labels)


def their_nll(model):
    """The same loss by transformers, from the ids and pixels of its own processor."""
    given = inputs()
    answer = given["labels"][given["labels"] >= 0]
    with torch.no_grad():
        logits = model(**given).logits[0].double()
    n = len(answer)
    return -sum(torch.log_softmax(logits[-n - 1 + k], 0)[answer[k]].item() for k in range(n))


def step_beside(frozen, what, saved, scratch):
    """pulse-ref makes a step of SGD on a second adapter. It is compared with the step that PEFT's gradient gives. In
    both the adapter in the folder `frozen` is applied, but does not change."""
    with open(scratch + "/beside.jsonl", "w") as f:
        f.write(json.dumps({"id": "a", "image": WORLD + "/flags/fr.png", "question": QUESTION, "answer": "paris", "step": 0}) + "\n")
    with open(scratch + "/beside.ini", "w") as f:
        f.write(f"[data]\nworld = {WORLD}\nstream = beside.jsonl\n[model]\npath = {saved}\n[train]\nsteps = 1\ntrainable = llm\n"
                "[optimiser]\nkind = sgd\nlr = 0.5\nmax_norm = 0\n[lora]\nalpha = 32\n")

    def train(out, *settings):
        subprocess.run([PULSE, "train", "--config", scratch + "/beside.ini", "--out", scratch + "/" + out, "--quiet",
                        *[word for value in settings for word in ("--set", value)]], check=True)
        return scratch + "/" + out
    start, after, alone = train("start", "train.steps=0", "lora.frozen=" + frozen), train("after", "lora.frozen=" + frozen), train("alone")
    model = peft.PeftModel.from_pretrained(LlavaForConditionalGeneration.from_pretrained(saved), frozen, adapter_name="first")
    model.load_adapter(start, adapter_name="second")
    model.base_model.set_adapter(["first", "second"])
    model.eval()
    for key, value in model.named_parameters():
        if ".second." in key:
            value.requires_grad_(True)
    model(**inputs()).loss.backward()
    gradient = {key: value.grad.clone() for key, value in model.named_parameters() if ".second." in key}
    model.load_adapter(after, adapter_name="after")
    model.load_adapter(alone, adapter_name="alone")
    weights, far, apart = dict(model.named_parameters()), 0.0, 0.0
    for key, g in gradient.items():
        begin, ours, other = weights[key], weights[key.replace(".second.", ".after.")], weights[key.replace(".second.", ".alone.")]
        step = max(.5 * g.abs().max().item(), 1e-6)
        far = max(far, (begin - .5 * g - ours).abs().max().item() / step)
        apart = max(apart, (ours - other).abs().max().item() / step)
    check(f"a step beside {what} is that of PEFT {peft.__version__} (within {far:.1e} of the step; without that adapter {apart:.1e})",
          len(gradient) == 56 and far < 1e-3 < 1e-2 < apart)             # 56: two factors of 7 maps in each of 4 layers


def close(ours, theirs):
    good = isinstance(ours, float) and abs(ours - theirs) <= 1e-4 * max(abs(theirs), .01)
    if not good:
        print(f"# ours {ours}, theirs {theirs}", file=sys.stderr)
    return good


with tempfile.TemporaryDirectory() as scratch:
    plain = nll(VANILLA)
    saved = scratch + "/saved"
    LlavaForConditionalGeneration.from_pretrained(VANILLA).save_pretrained(saved)
    AutoProcessor.from_pretrained(VANILLA).save_pretrained(saved)
    check("a folder that transformers saved gives the same bits", nll(saved) == plain)

    with open(scratch + "/one.jsonl", "w") as f:
        f.write('{"id": "a", "question": "what is the capital of france ?", "answer": "paris", "step": 0}\n')
    with open(scratch + "/t.ini", "w") as f:
        f.write(f"[data]\nworld = {WORLD}\nstream = one.jsonl\n[model]\npath = saved\n[train]\nsteps = 1\ntrainable = multi_modal_projector.**\n")
    trained = subprocess.run([PULSE, "train", "--config", scratch + "/t.ini", "--out", scratch + "/out", "--quiet"], capture_output=True, text=True)
    check("that folder can be trained further " + trained.stderr.strip(), trained.returncode == 0)
    again = LlavaForConditionalGeneration.from_pretrained(scratch + "/out")
    check("transformers opens what train wrote, and computes the same", close(nll(scratch + "/out"), their_nll(again)))
    processor = AutoProcessor.from_pretrained(scratch + "/out")
    check("the processor in what train wrote has the patch size", getattr(processor, "patch_size", None) == 8)

    settings = {
        "plain": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
        "regular expression": dict(r=4, lora_alpha=8, target_modules=r".*language_model.*\.(q_proj|down_proj)"),
        "patterns": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], rank_pattern={"v_proj": 2, r"layers\.1\..*up_proj": 3},
                         alpha_pattern={"v_proj": 5}),
        "rslora": dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj"], rank_pattern={"layers.2.self_attn.q_proj": 9}),
        "layers": dict(r=4, lora_alpha=8, target_modules=["k_proj"], layers_to_transform=[0, 1], layers_pattern="layers"),
        "fan_in_fan_out": dict(r=4, lora_alpha=8, fan_in_fan_out=True, target_modules=["q_proj"]),
        "biases": dict(r=4, lora_alpha=8, bias="all", target_modules=["linear_1", "q_proj"]),
        "vision": dict(r=4, lora_alpha=8, target_modules=r".*vision_tower.*\.(q_proj|fc1|out_proj)"),
        "saved whole": dict(r=4, lora_alpha=8, target_modules=["o_proj"], modules_to_save=["linear_2"]),
    }
    for name, given in settings.items():
        torch.manual_seed(1)
        model = peft.get_peft_model(LlavaForConditionalGeneration.from_pretrained(saved), peft.LoraConfig(init_lora_weights=False, **given))
        with torch.no_grad():
            for key, value in model.named_parameters():
                if value.requires_grad:
                    value.add_(.02 * torch.randn_like(value))
        model.save_pretrained(scratch + "/adapter")
        ours = nll(saved, "--adapter", scratch + "/adapter", "--unmerged")
        check(f"an adapter of PEFT {peft.__version__}: {name}", close(ours, their_nll(model.eval())) and ours != plain)
        if name in ("patterns", "rslora", "vision", "biases", "saved whole"):
            step_beside(scratch + "/adapter", "a frozen adapter of PEFT, " + name, saved, scratch)
        for file in os.listdir(scratch + "/adapter"):
            os.remove(scratch + "/adapter/" + file)
    with open(scratch + "/forget.ini", "w") as f:
        f.write(f"[unlearn]\nforget = {WORLD}/persons.jsonl\nforget_entities = person-01\nbatch = 2\nprobe_every = 0\n"
                "[train]\nsteps = 2\n[lora]\nalpha = 32\n")
    for trained in ("llm", "proj+llm"):
        own = scratch + "/" + trained
        subprocess.run([PULSE, "unlearn", "--config", scratch + "/forget.ini", "--model", VANILLA, "--method", "ga", "--set",
                        "train.trainable=" + trained, "--out", own, "--quiet"], check=True)
        model = peft.PeftModel.from_pretrained(LlavaForConditionalGeneration.from_pretrained(saved), own).eval()
        ours = nll(saved, "--adapter", own, "--unmerged")
        check(f"PEFT {peft.__version__} opens the adapter that unlearn wrote: {trained}", close(ours, their_nll(model)) and ours != plain)
    step_beside(scratch + "/llm", "the adapter that unlearn wrote", saved, scratch)
    pissa = peft.get_peft_model(LlavaForConditionalGeneration.from_pretrained(saved), peft.LoraConfig(init_lora_weights="pissa", target_modules=["q_proj"]))
    pissa.save_pretrained(scratch + "/adapter")
    check("an adapter of PiSSA is refused by name", "init_lora_weights" in str(nll(saved, "--adapter", scratch + "/adapter")))
print(f"1..{number}")
sys.exit(failed > 0)
