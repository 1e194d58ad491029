#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Refused with file and line: for every key, values out of its range; for every method, a key that it does not read.
# Refused as well: a method that lacks the samples it needs, and a reference model of another shape.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
models=$PWD/fixtures/vectors/v1/models lists=$PWD/unlearn
cd "$tap_folder" || exit 2

# says "sentence" arguments…: exit code 2, and this sentence alone.
says() {
    local part=$1
    shift
    ends 2 "$PULSE" "$@" > told 2>&1 && [ "$(wc -l < told)" = 1 ] && grep -qF -- "$part" told || { cat told; return 1; }
}
explains() { says "$1" unlearn --config "$2" --explain --method "$3"; }

sed -nE 's/^HYPERPARAMETER\(([a-z_0-9]+), ([A-Z]+), .*/\1 \2/p' "$lists/hyperparameters.def" > keys
# Each key with a value that no type accepts (9e99x), and each number with a value that is far too small.
out_of_range() {
    local key type bad=0
    while read -r key type; do
        printf '# a comment\n[unlearn]\nbatch = 2\n%s = 9e99x\n' "$key" > key.ini
        explains "key.ini:4: unlearn.$key is \"9e99x\", expected" key.ini ga || bad=1
        [ "$type" = BOOL ] || [ "$type" = CHOICE ] || {
            printf '[unlearn]\n\n%s = -1e30\n' "$key" > key.ini
            explains "key.ini:3: unlearn.$key is \"-1e30\", expected" key.ini ga || bad=1
        }
    done < keys
    return $bad
}
# Prints the keys of a method: the list in its row KEYS(method, …) of method_keys.def, with the macros expanded.
reads() {
    awk -v method="$1" '/^#define/ { name = $2; $1 = $2 = ""; gsub(/"/, ""); macro[name] = $0 }
        $0 ~ "^KEYS\\(" method "," { for (name in macro) gsub(name, macro[name]); gsub(/^KEYS\([a-z_]+,|[")]/, ""); print }' \
        "$lists/method_keys.def"
}
unread() {
    local method key bad=0
    for method in $(sed -nE 's/^METHOD\(([a-z_0-9]+)\)/\1/p' "$lists/methods.def"); do
        key=$(cut -d' ' -f1 keys | grep -vx seed | grep -vxF "$(reads "$method" | tr -s ' ' '\n')" | tail -1)
        [ -n "$key" ] || { echo "$method reads every key"; bad=1; }
        printf '[unlearn]\nbatch = 2\n[method.%s]\nunlearn.%s = 1\n' "$method" "$key" > key.ini
        explains "key.ini:4: method.$method.unlearn.$key: $method does not read $key, expected one of the keys of" key.ini ga || bad=1
    done
    return $bad
}
check "no key takes a value that is out of its range" out_of_range
check "no method takes a key that it does not read" unread

printf '{"id": "r", "group": "retain", "question": "who ?", "answer": "tea"}\n' > retain.jsonl
printf '{"id": "f", "group": "forget", "question": "who ?", "answer": "tea"}\n' > forget.jsonl
# step_refused "sentence" METHOD BATCH
step_refused() { says "$1" trace --model "$models/tiny-llava-mini" --batch "$3" --method "$2" --set train.trainable=llm --out none; }
nothing_to_forget() {
    local method bad=0
    for method in ga npo grad_diff mmunlearner llmu siu o3 adapters smfa mip_editor cmju pdu adapop scrub; do
        step_refused "$method needs at least one sample" $method retain.jsonl || bad=1
    done
    return $bad
}
nothing_to_retain() {
    local method bad=0
    for method in ga_klr grad_diff kl_min llmu o3 smfa mip_editor pdu adapop rmu; do
        step_refused "$method needs at least one sample" $method forget.jsonl || bad=1
    done
    return $bad
}
check "a method without anything to forget is refused" nothing_to_forget
check "a method without anything to retain is refused" nothing_to_retain
check "mmunlearner refuses a forget set without pictures" step_refused "no forget sample has a picture" mmunlearner forget.jsonl

# reference_refused "sentence" REFERENCE METHOD
reference_refused() {
    says "$1" trace --model "$models/tiny-llava-a" --reference "$models/$2" --batch "$models/tiny-llava-a/batch.jsonl" --method "$3" \
        --out none
}
check "a reference with another vocabulary is refused" \
    reference_refused "tiny-llava-b: the vocabulary has 331 entries, expected the 320 of" tiny-llava-b npo
check "a reference with another hidden size is refused by a method that compares hidden states" \
    reference_refused "tiny-llava-mini: the hidden size is 4, expected the 16 of" tiny-llava-mini mip_editor

one_adapter_each() {
    "$PULSE" trace --model "$models/tiny-llava-mini" --batch "$models/tiny-llava-mini/roles.jsonl" --method ga --set train.trainable=llm \
        --set "lora.targets=$1" --out "$2" > /dev/null
}
check "patterns that overlap make one adapter for each module" eval 'one_adapter_each "**.q_proj" one &&
    one_adapter_each "**.q_proj,**.self_attn.q_*" two && ends 0 "$PULSE" compare one/trace.safetensors two/trace.safetensors'
finish
