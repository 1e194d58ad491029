# SPDX-License-Identifier: MIT
"""Prints the table of docs/interoperability.md: model folders and adapters that one side wrote and the other side reads, with
the relative distance of their losses. Run it at the root of the project with the Python of an environment of `make venv`:

    build/venv/5/bin/python tests/python/interoperability.py

The distance is |ours - theirs| / |theirs| for the loss of one answer about a picture. `theirs` uses transformers' processor."""
import datetime
import json
import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.update(TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
import peft
import safetensors.torch
import tokenizers
import torch
import transformers
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

PULSE = os.environ.get("PULSE", "build/pulse-ref")
VANILLA, WORLD = "fixtures/models/vanilla", os.path.abspath("fixtures/world")
FLAG = WORLD + "/flags/fr.png"
QUESTION, ANSWER = "what is the capital of this country ?", "paris"
MOST = 1e-4                                    # a distance above it is no longer rounding: the script fails


def run(*arguments):
    done = subprocess.run([PULSE, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s: %s" % (" ".join(arguments), done.stderr.strip()))
    return done.stdout


def ours(folder, *more):
    said = run("ask", "--model", folder, "--image", FLAG, QUESTION, "--choices", ANSWER + "|rome", "--json", *more)
    return json.loads(said)["choices"][0]["nll"]


def theirs(model, folder):
    processor = AutoProcessor.from_pretrained(folder)
    ids = processor(images=Image.open(FLAG).convert("RGB"), text=f"USER: <image> {QUESTION} ASSISTANT:", return_tensors="pt")
    answer = processor.tokenizer(f" {ANSWER}</s>", add_special_tokens=False, return_tensors="pt").input_ids
    whole = torch.cat([ids["input_ids"], answer], 1)
    with torch.no_grad():
        logits = model.eval()(input_ids=whole, attention_mask=torch.ones_like(whole), pixel_values=ids["pixel_values"]).logits[0].double()
    n = answer.shape[1]
    return -sum(torch.log_softmax(logits[-n - 1 + k], 0)[answer[0, k]].item() for k in range(n))


def opened(folder):
    """The model, and how many names of weights were not used or not found. A folder may leave out the tower's weights
    after the layer whose features are taken (its last layer and last norm), because nothing reads them. If they are
    missing, they are counted apart."""
    model, info = LlavaForConditionalGeneration.from_pretrained(folder, output_loading_info=True, torch_dtype=torch.float32)
    tower = model.config.vision_config.num_hidden_layers
    behind = [".layers.%d." % k for k in range(tower + 1 + model.config.vision_feature_layer, tower)] + ["post_layernorm"]
    unread = [key for key in info["missing_keys"] if "vision_tower" in key and any(part in key for part in behind)]
    others = len(info["missing_keys"]) + len(info["unexpected_keys"]) - len(unread)
    return model, ("%d, " % others if others else "") + ("%d that nothing reads" % len(unread) if unread else "" if others else "0")


REFUSED = "0, else refused"                   # pulse-ref refuses a folder with a missing or an extra name
failed = False


def row(what, writer, reader, ours_, theirs_, left=REFUSED):
    global failed
    distance = abs(ours_ - theirs_) / abs(theirs_)
    failed |= not distance <= MOST or not (left in ("0", REFUSED) or left.endswith("that nothing reads") and "," not in left)
    print("| %s | %s | %s | %.1e | %s |" % (what, writer, reader, distance, left), flush=True)


def adapted(base, **given):
    torch.manual_seed(1)
    model = peft.get_peft_model(opened(base)[0], peft.LoraConfig(init_lora_weights=False, r=4, lora_alpha=8, **given))
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.add_(.02 * torch.randn_like(value))
    return model


with tempfile.TemporaryDirectory() as scratch:
    they, we = "transformers", "pulse-ref"
    print("%s, transformers %s, PEFT %s, torch %s, safetensors %s, tokenizers %s:\n"
          % (datetime.date.today(), transformers.__version__, peft.__version__, torch.__version__.split("+")[0], safetensors.__version__,
             tokenizers.__version__))
    print("| what | written by | read by | distance | names unused or missing |\n|---|---|---|---|---|")
    model, left = opened(VANILLA)
    row("vanilla model", we, they, ours(VANILLA), theirs(model, VANILLA), left)
    for name, dtype, shards in (("F32", torch.float32, "5GB"), ("F32, in shards", torch.float32, "300KB"), ("BF16", torch.bfloat16, "5GB"),
                                ("F16", torch.float16, "5GB")):
        folder = scratch + "/" + name
        model.to(dtype).save_pretrained(folder, max_shard_size=shards)
        AutoProcessor.from_pretrained(VANILLA).save_pretrained(folder)
        row("the same, " + name, they, we, ours(folder), theirs(opened(folder)[0], folder))
        model = opened(VANILLA)[0]
    run("export", "--model", VANILLA, "--bf16", "--out", scratch + "/ours16")
    model, left = opened(scratch + "/ours16")
    row("the same by `export --bf16`", we, they, ours(scratch + "/ours16"), theirs(model, scratch + "/ours16"), left)
    whole = scratch + "/F32"
    for name, given in (("LoRA", dict(target_modules=["q_proj", "v_proj"])), ("rsLoRA", dict(target_modules=["q_proj"], use_rslora=True)),
                        ("LoRA with biases", dict(target_modules=["linear_1", "q_proj"], bias="all")),
                        ("LoRA with a whole module", dict(target_modules=["o_proj"], modules_to_save=["linear_2"]))):
        model, folder = adapted(whole, **given), scratch + "/" + name
        model.save_pretrained(folder)
        row("adapter: " + name, "PEFT", we, ours(whole, "--adapter", folder, "--unmerged"), theirs(model, VANILLA))
    with open(scratch + "/forget.ini", "w") as f:
        f.write("[unlearn]\nforget = %s/persons.jsonl\nforget_entities = person-01\nbatch = 2\nprobe_every = 0\n"
                "[train]\nsteps = 2\n[lora]\nalpha = 32\n" % WORLD)
    own = scratch + "/adapter"
    for name, trained, to in (("that of `unlearn`", "llm", scratch + "/llm"), ("that of `unlearn`, with the projector", "proj+llm", own)):
        run("unlearn", "--config", scratch + "/forget.ini", "--model", VANILLA, "--method", "ga", "--set", "train.trainable=" + trained,
            "--out", to, "--quiet")
        model = peft.PeftModel.from_pretrained(opened(VANILLA)[0], to)
        kept = peft.get_peft_model_state_dict(model).values()
        # compared by their values, without names, because PEFT has two copies of each weight that is saved whole
        given = safetensors.torch.load_file(to + "/adapter_model.safetensors").values()
        unread = sum(not any(torch.equal(x, y) for y in kept) for x in given) + sum(not any(torch.equal(x, y) for y in given) for x in kept)
        row("adapter: " + name, we, "PEFT", ours(VANILLA, "--adapter", to, "--unmerged"), theirs(model, VANILLA), str(unread))
    run("merge", "--model", VANILLA, "--adapter", own, "--out", scratch + "/merged")
    model, left = opened(scratch + "/merged")
    row("the same by `merge`", we, they, ours(scratch + "/merged"), theirs(model, scratch + "/merged"), left)
sys.exit(failed)
