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


def their_nll(model):
    """The same loss by transformers, from the ids and pixels of its own processor."""
    from PIL import Image
    processor = AutoProcessor.from_pretrained(VANILLA)
    picture = Image.open(WORLD + "/flags/fr.png").convert("RGB")
    ids = processor(images=picture, text=f"USER: <image> {QUESTION} ASSISTANT:", return_tensors="pt")
    answer = processor.tokenizer(" paris</s>", add_special_tokens=False, return_tensors="pt").input_ids
    whole = torch.cat([ids["input_ids"], answer], 1)
    with torch.no_grad():
        logits = model(input_ids=whole, attention_mask=torch.ones_like(whole), pixel_values=ids["pixel_values"]).logits[0].double()
    n = answer.shape[1]
    return -sum(torch.log_softmax(logits[-n - 1 + k], 0)[answer[0, k]].item() for k in range(n))


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
    # One step of SGD trains a second adapter, while the first adapter is applied but frozen: by pulse-ref and by PEFT.
    def train(out, *more):
        subprocess.run([PULSE, "train", "--config", scratch + "/t.ini", "--out", scratch + "/" + out, "--quiet", "--set", "train.trainable=llm", "--set",
                        "optimiser.kind=sgd", "--set", "optimiser.lr=0.5", "--set", "optimiser.max_norm=0", "--set", "lora.alpha=32",
                        *[word for value in more for word in ("--set", value)]], check=True)
        return scratch + "/" + out
    first = scratch + "/llm"
    start, after = train("start", "train.steps=0", "lora.frozen=llm"), train("after", "lora.frozen=llm")
    alone = train("alone")
    model = peft.PeftModel.from_pretrained(LlavaForConditionalGeneration.from_pretrained(saved), first, adapter_name="first")
    model.load_adapter(start, adapter_name="second")
    model.base_model.set_adapter(["first", "second"])
    processor = AutoProcessor.from_pretrained(VANILLA)
    prompt, answer = (processor.tokenizer(text, return_tensors="pt", add_special_tokens=special).input_ids for text, special in
                      (("USER: what is the capital of france ? ASSISTANT:", True), (" paris</s>", False)))
    labels = torch.cat([torch.full_like(prompt, -100), answer], 1)
    model(input_ids=torch.cat([prompt, answer], 1), labels=labels).loss.backward()
    gradient = {key: value.grad.clone() for key, value in model.named_parameters() if ".second." in key}
    model.load_adapter(after, adapter_name="after")
    model.load_adapter(alone, adapter_name="alone")
    weights, far, apart = dict(model.named_parameters()), 0.0, 0.0
    for key, g in gradient.items():
        begin, ours, other = weights[key], weights[key.replace(".second.", ".after.")], weights[key.replace(".second.", ".alone.")]
        step = max(.5 * g.abs().max().item(), 1e-6)
        far = max(far, (begin - .5 * g - ours).abs().max().item() / step)
        apart = max(apart, (ours - other).abs().max().item() / step)
    check(f"a step beside a frozen adapter is that of PEFT {peft.__version__} ({far:.1e} of the step, without the frozen one {apart:.1e})",
          len(gradient) == 56 and far < 1e-3 < 1e-2 < apart)
    pissa = peft.get_peft_model(LlavaForConditionalGeneration.from_pretrained(saved), peft.LoraConfig(init_lora_weights="pissa", target_modules=["q_proj"]))
    pissa.save_pretrained(scratch + "/adapter")
    check("an adapter of PiSSA is refused by name", "init_lora_weights" in str(nll(saved, "--adapter", scratch + "/adapter")))
print(f"1..{number}")
sys.exit(failed > 0)
