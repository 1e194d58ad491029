#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref verify against a traced step: exit codes, JSON, the HTML page, known mistakes, and unusable input.
. tests/support/tap.sh
model=fixtures/vectors/v1/models/tiny-llava-b
traced() { "$PULSE" trace --model $model --batch $model/batch.jsonl --method "$1" --out "$tap_folder/$1" > /dev/null; }
# says STATUS PART -- ARGUMENTS…: verify ARGUMENTS ends with STATUS and prints PART.
says() {
    local status=$1 part=$2 got=0
    shift 3
    "$PULSE" verify "$@" > "$tap_folder/said" 2>&1 || got=$?
    [ "$got" = "$status" ] && grep -qF -- "$part" "$tap_folder/said" || { echo "status $got:"; tail -n 3 "$tap_folder/said"; return 1; }
}
for method in npo rmu; do
    check "$method is traced" traced $method
    check "the numbers of $method are right by its own trace" says 0 "BITEXACT: " -- "$tap_folder/$method" "$tap_folder/$method"
done
check "the numbers of another method are outside" says 1 "OUTSIDE: " -- "$tap_folder/npo" "$tap_folder/rmu" --html "$tap_folder/page.html"
check "stdout is short" test "$(wc -l < "$tap_folder/said")" -le 20
check "the page begins with what is outside" grep -q 'The first answer that is outside' "$tap_folder/page.html"
check "every <details> of the page has its end" test "$(grep -o '<details' "$tap_folder/page.html" | wc -l)" = "$(grep -o '</details' "$tap_folder/page.html" | wc -l)"
shipped() {
    local step=("$PULSE" trace --model fixtures/models/vanilla --batch "$tap_folder/one.jsonl" --set train.trainable=multi_modal_projector.**)
    echo '{"id":"a","group":"forget","question":"what is the capital of france ?","answer":"paris"}' > "$tap_folder/one.jsonl"
    "${step[@]}" --method ga --out "$tap_folder/right" > /dev/null && "${step[@]}" --method npo --reference fixtures/models/base --out "$tap_folder/wrong" > /dev/null
}
check "steps of the shipped model are traced" shipped
for got in right:0 wrong:1; do
    check "verify judges the step ${got%:*}" says "${got#*:}" ": " -- "$tap_folder/right" "$tap_folder/${got%:*}" --html "$tap_folder/page.html"
    check "the page is below 1 MB, and hides what is right in <details>" test "$(wc -c < "$tap_folder/page.html")" -lt 1000000 -a "$(grep -c '<details><summary class=same>' "$tap_folder/page.html")" -gt 4
    check "the page supports small and dark screens, and loads nothing from elsewhere" \
        test "$(grep -cE 'name="viewport".*|prefers-color-scheme:dark' "$tap_folder/page.html")/$(grep -cE 'src=|href=|url\(' "$tap_folder/page.html")" = 1/0
done
# mistaken FLAG SCRIPT [SETTING]: traces a step with the mistake FLAG and expects verify to name it. The mistake is made
# by a change of config.json (SCRIPT is for sed) or by another SETTING. verify itself makes its mistakes in another way,
# so this is an independent check.
mistaken() {
    local flag=$1 other=$tap_folder/model-$1 common=(--batch $model/batch.jsonl --method npo --reference $model-reference --set train.trainable=full)
    case $flag in Lora*) common=(--batch $model/batch.jsonl --method ga --set train.trainable=proj+llm);; esac
    cp -r $model "$other" && sed -E -i "$2" "$other/config.json" &&
        "$PULSE" trace --model $model "${common[@]}" --out "$tap_folder/$flag" > /dev/null &&
        "$PULSE" trace --model "$other" "${common[@]}" ${3:+--set $3} --out "$tap_folder/$flag-wrong" > /dev/null || return 1
    "$PULSE" verify "$tap_folder/$flag" "$tap_folder/$flag-wrong" --only loss --only grad.v --only grad.l --only adam. > "$tap_folder/said" 2>&1
    [ "$(grep -o 'value of the known mistake [A-Za-z0-9]*' "$tap_folder/said" | sort -u)" = "value of the known mistake $flag" ] || { tail -n 3 "$tap_folder/said"; return 1; }
}
check "eps of 1e-6 is named" mistaken NormEps6 's/"(rms_norm|layer_norm)_eps": [^,}]*/"\1_eps": 1e-6/g'
check "another theta is named" mistaken RopeTheta 's/"rope_theta": [^,}]*/"rope_theta": 1000000.0/'
check "GELU in place of quick GELU is named" mistaken QuickGeluMissing 's/"quick_gelu"/"gelu"/'
# lora.rank is 16 and lora.alpha 32, so the right scale is 2
check "an adapter whose scale is squared is named" mistaken LoraScaleTwice '' lora.alpha=64
check "an adapter without its scale is named" mistaken LoraNoScale '' lora.alpha=16
check "gradients that are not clipped are named" mistaken ClipMissing '' optimiser.max_norm=1e30
masked() {
    local mini=${model%/*}/tiny-llava-mini step alpha
    for alpha in 4 2; do
        step=(--set train.trainable=llm --set lora.rank=2 --set lora.alpha=$alpha --set "lora.targets=**.mlp.*_proj" --out "$tap_folder/mip-$alpha")
        "$PULSE" trace --model "$mini" --reference "$mini-reference" --batch "$mini/roles.jsonl" --method mip_editor "${step[@]}" > /dev/null || return 1
    done
    says 1 "value of the known mistake LoraNoScale" -- "$tap_folder/mip-4" "$tap_folder/mip-2"
}
check "an adapter without its scale is named also when the method masks gradients" masked
check "if nothing is outside, every <details> of the page is closed" test "$("$PULSE" verify "$tap_folder/right" "$tap_folder/right" --html "$tap_folder/page.html" > /dev/null; grep -c '<details open' "$tap_folder/page.html")" = 0
check "--only judges a part of the names" says 0 "BITEXACT: 1 bitexact" -- "$tap_folder/npo" "$tap_folder/npo" --only loss
check "--only with an unknown name is an error" says 2 "finds no answer" -- "$tap_folder/npo" "$tap_folder/npo" --only loss --only nope
check "what is outside is reported, even if another --only finds nothing" says 1 "EMPTY      nope" -- "$tap_folder/npo" "$tap_folder/rmu" --only loss --only nope
check "--json prints one object on each line; the last is the summary" says 0 '"verdict": "BITEXACT", "bitexact": 1' -- "$tap_folder/npo" "$tap_folder/npo" --only loss --json
check "a loss is outside" says 1 "OUTSIDE: " -- "$tap_folder/npo" "$tap_folder/rmu" --only loss --html "$tap_folder/loss.html"
check "the page shows the loss with the formula of the method" grep -q 'It should have been computed by:.*log sigmoid' "$tap_folder/loss.html"
check "an unknown precision is refused" says 2 "expected fp32, tf32" -- "$tap_folder/npo" "$tap_folder/npo" --precision fp8
check "the noise of a precision can be computed" says 1 "at bf16-mixed" -- "$tap_folder/npo" "$tap_folder/rmu" --precision bf16-mixed
: > "$tap_folder/empty.safetensors"
check "an empty file is refused" says 2 "empty.safetensors" -- "$tap_folder/npo" "$tap_folder/empty.safetensors"
head -c 1000 "$tap_folder/npo/trace.safetensors" > "$tap_folder/cut.safetensors"
check "a truncated file is refused" says 2 "cut.safetensors" -- "$tap_folder/npo" "$tap_folder/cut.safetensors"
sed 's/"spec": "1"/"spec": "0"/' "$tap_folder/npo/trace.json" > "$tap_folder/other.json"
mv "$tap_folder/other.json" "$tap_folder/rmu/trace.json"
check "another spec is refused" says 2 "traced under spec 0" -- "$tap_folder/rmu" "$tap_folder/npo"
finish
