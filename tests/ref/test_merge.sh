#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref merge and export write whole model folders whose numbers are rounded once; tokens splits a text.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
model=$PWD/fixtures/models/vanilla world=$PWD/fixtures/world tokenizers=$PWD/fixtures/tokenizers
cd "$tap_folder" || exit 2

cat > forget.ini <<END
[unlearn]
forget = $world/persons.jsonl
forget_entities = person-01
batch = 2
[train]
steps = 2
trainable = llm
[optimiser]
lr = 3e-4
END
# refuses "part" arguments…: exit code 2 and one sentence with the part.
refuses() {
    local part=$1
    shift
    ends 2 "$PULSE" "$@" > told 2>&1 && [ "$(grep -c '^pulse-ref: ' told)" = 1 ] && grep -qF -- "$part" told || { cat told; return 1; }
}
answer() { "$PULSE" ask "$@" --image "$world/portraits/person-01.png" "what is the home of this person ?"; }
shows() { "$PULSE" tokens --model "$1" "$2" > told && grep -qE -- "$3" told || { cat told; return 1; }; }

check "an adapter is made" "$PULSE" unlearn --config forget.ini --model "$model" --method ga --out adapter
check "the adapter is merged into a new folder" "$PULSE" merge --model "$model" --adapter adapter --out merged
for file in config.json model.safetensors tokenizer.json tokenizer_config.json preprocessor_config.json processor_config.json; do
    check "the merged folder has $file" test -s merged/$file
done
check "the merged model answers as the model with --adapter" cmp <(answer --model merged) <(answer --model "$model" --adapter adapter)
check "the bits of the merged model do not depend on the number of threads" eval '"$PULSE" merge --model "$model" --adapter adapter --out again --threads 1 && ends 0 "$PULSE" compare merged again'

# Checked with rational numbers, for a sample of the weights: a merged weight is W + s B A (s = alpha / rank) rounded
# once, and BF16 is rounded to nearest, ties to even.
cat > recompute.py <<'END'
import json, struct, sys
from fractions import Fraction
def load(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    h = json.loads(b[8:8 + n])
    h.pop("__metadata__", None)
    return {k: (v["shape"], b[8 + n:][slice(*v["data_offsets"])]) for k, v in h.items()}
def number(raw, k): return Fraction(struct.unpack_from("<f", raw, 4 * k)[0])
def nearest(x):                                            # the float nearest to a rational number, ties to even
    f = struct.unpack("<f", struct.pack("<f", float(x)))[0]
    bits = struct.unpack("<i", struct.pack("<f", f))[0]
    near = [struct.unpack("<f", struct.pack("<i", bits + d))[0] for d in (-1, 0, 1)]
    return min(near, key=lambda y: (abs(Fraction(y) - x), struct.unpack("<I", struct.pack("<f", y))[0] & 1))
base, adapter, merged = (load(p + "/" + f) for p, f in zip(sys.argv[1:4], ("model.safetensors", "adapter_model.safetensors", "model.safetensors")))
scale, seen = Fraction(json.load(open(sys.argv[2] + "/adapter_config.json"))["lora_alpha"]) / json.load(open(sys.argv[2] + "/adapter_config.json"))["r"], 0
for name in ("self_attn.q_proj", "mlp.down_proj"):
    hub = f"language_model.model.layers.1.{name}.weight"
    other = f"base_model.model.language_model.model.layers.1.{name}.lora_"
    (m, n), w = base[hub]
    (r, _), a = adapter[other + "A.weight"]
    b = adapter[other + "B.weight"][1]
    for i in range(0, m, 17):
        for j in range(0, n, 13):
            exact = number(w, i * n + j) + scale * sum(number(b, i * r + k) * number(a, k * n + j) for k in range(r))
            got = struct.unpack_from("<f", merged[hub][1], 4 * (i * n + j))[0]
            assert got == nearest(exact), (hub, i, j, got, float(exact))
            seen += 1
half = load(sys.argv[4] + "/model.safetensors")
for name, (shape, raw) in merged.items():
    for k in range(0, len(raw) // 4, 97):
        bits = struct.unpack_from("<I", raw, 4 * k)[0]
        low, rest = bits >> 16, bits & 0xffff
        want = low + (rest > 0x8000 or (rest == 0x8000 and low & 1))
        assert struct.unpack_from("<H", half[name][1], 2 * k)[0] == want, (name, k)
        seen += 1
print(seen, "numbers are right")
END
check "the merged model is exported as BF16" "$PULSE" export --model merged --bf16 --out half
check "config.json of the exported model says bfloat16" grep -q '"torch_dtype": "bfloat16"' half/config.json
if command -v python3 > /dev/null; then
    check "each merged weight is W + s sum B A rounded once, each BF16 weight the nearest" python3 recompute.py "$model" adapter merged half
else
    skip "each merged weight is W + s sum B A rounded once, each BF16 weight the nearest" "python3 is not installed"
fi
check "a BF16 model answers" answer --model half
check "a BF16 model exported again is the same" eval '"$PULSE" export --model half --bf16 --out half2 && ends 0 "$PULSE" compare half half2'
check "a model is not written over itself" refuses "is the folder of --model" export --model half --bf16 --out half/.
check "merge does not write over its model either" refuses "is the folder of --model" merge --model half --adapter adapter --out half
check "an adapter that is not there is refused" refuses "nowhere" merge --model "$model" --adapter nowhere --out none
check "export without --bf16 is refused" refuses "--bf16" export --model half --out none
check "no refused command left a folder" test ! -e none

# recorded KIND: the ids are those of Hugging Face's `tokenizers` (fixtures/tokenizers/README.md).
recorded() {
    mkdir -p "$1" && cp "$tokenizers/$1.json" "$1/tokenizer.json" || return 1
    python3 - "$PULSE" "$1" "$tokenizers/cases.jsonl" <<'END'
import json, subprocess, sys
seen = 0
for case in map(json.loads, open(sys.argv[3])):
    case["text"] = bytes.fromhex(case["text"]).decode()
    if case["tokenizer"] == sys.argv[2] and case["text"] and "\0" not in case["text"] and seen < 25:
        out = json.loads(subprocess.run([sys.argv[1], "tokens", "--json", "--model", sys.argv[2], "--", case["text"]], capture_output=True, check=True).stdout)
        assert [t["id"] for t in out["tokens"]] == case["ids"], case
        at = 0
        for t in out["tokens"]:                            # the places of the tokens go from left to right
            if t["begin"] is not None:
                assert at <= t["begin"] <= t["end"] <= len(case["text"]) or t["piece"].startswith("<0x"), (case, t)
                at = t["begin"]
        seen += 1
assert seen == 25
END
}
for kind in legacy first words; do
    if command -v python3 > /dev/null; then
        check "tokens of the kind $kind are those of tokenizers" recorded $kind
    else
        skip "tokens of the kind $kind are those of tokenizers" "python3 is not installed"
    fi
done
check "every token has its characters" shows "$model" "what is this ?" '▁is +4\.\.7$'
check "each byte token of a character has the position of the character" eval 'shows "$model" "zü" "<0xC3> +1..2" && shows "$model" "zü" "<0xBC> +1..2"'
check "a token that the template adds has no position" shows "$model" "is" '^0 +1 +<s> *$'
check "a text that is not UTF-8 is refused" refuses "not UTF-8 at byte 1" tokens --model "$model" $'a\xff'
check "a folder without a tokenizer is refused" refuses "tokenizer.json" tokens --model . a
finish
