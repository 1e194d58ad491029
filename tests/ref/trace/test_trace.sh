#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref trace: the roles of samples, what the trace records, and which settings are refused. A Python program
# recomputes nodes of two steps.
. tests/support/tap.sh
model=fixtures/vectors/v1/models/tiny-llava-b out=$tap_folder/trace
python=
for one in python3 /usr/bin/python3; do
    "$one" -c 'import numpy, mpmath' 2> /dev/null && python=$one && break
done

trace() { "$PULSE" trace --model $model --batch $model/batch.jsonl --out "$out" "$@"; }
says() {
    local want=$1
    shift
    trace "$@" 2>&1 | grep -qF -- "$want"
}

check "roles are read from the samples' groups" says "npo_gd: 2 forget, 2 retain," --method npo_gd
check "idk reads no forget answer" says "idk: 2 retain, 2 refusal," --method idk
check "the first step of a phased method reads only the forget samples" says "grad_diff: 2 forget, " --method grad_diff --set unlearn.schedule=phased
check "refusal samples are made if the batch has none" says "dpo: 2 forget, 2 retain, 2 refusal," --method dpo
writes() {
    trace "${@:2}" > /dev/null && grep -qF -- "$1" "$out/trace.json"
}
check "a trace has the method's own values" writes '"unlearn.beta = 4.5"' --method simnpo
check "a trace has the mask of supervised tokens" writes '"data.mask = all_text"' --method ga --set data.mask=all_text
check "a trace names only the samples that its step reads" bash -c '! grep -q "\"retain\"" "$0"' "$out/trace.json"
check "a method without steps is refused" says "manu has no optimiser step" --method manu
check "accumulation is refused" says "expected 1: a trace is of one whole step" --method ga --set train.accumulate=2
check "gradient checkpointing is refused" says "expected none: a trace holds values that this setting discards" --method ga --set train.checkpointing=layer
check "a step gives the same bytes with one thread and with three" bash -c '"$0" trace --threads 1 --model '$model' --batch '$model/batch.jsonl' --method ga --out '"$out"'1 > /dev/null &&
    "$0" trace --threads 3 --model '$model' --batch '$model/batch.jsonl' --method ga --out '"$out"'3 > /dev/null && cmp '"$out"'1/trace.safetensors '"$out"'3/trace.safetensors && cmp '"$out"'1/trace.json '"$out"'3/trace.json' "$PULSE"
if [ -n "$python" ]; then
    check "a Python program recomputes the nodes of a step at 0 ulp" "$python" tests/python/recompute_trace.py fixtures/vectors/v1/step/grad_diff.sgd.a linear matmul attention_softmax attention_scores attention_mix gelu quick_gelu silu \
        layernorm rmsnorm rope softmax nll log_softmax logit_grad_label segment_sum mean axpy scale ratio concat_rows gather_rows patches mul_rows affine_rows momentum square_norm clip_factor scale_by
    # An adapter of the mini model is trained. Then a step trains a second adapter beside it, while the first is frozen.
    mini=fixtures/vectors/v1/models/tiny-llava-mini one=$tap_folder/one
    printf '%s\n' '[model]' "path = $PWD/$mini" '[data]' "stream = $PWD/$mini/batch.jsonl" 'order = shuffle' 'batch = 2' '[train]' 'steps = 2' \
        'trainable = llm' '[lora]' 'rank = 2' 'targets = **.q_proj,**.down_proj' > "$tap_folder/one.ini"
    beside=(--set train.trainable=llm --set lora.rank=3 --set 'lora.targets=**.q_proj,**.v_proj' --set "lora.frozen=$one")
    check "an adapter is trained" "$PULSE" train --config "$tap_folder/one.ini" --out "$one" --quiet
    check "a step trains a second adapter beside the first one" \
        "$PULSE" trace --model $mini --batch $mini/batch.jsonl --method grad_diff --out "$out" "${beside[@]}"
    check "the trace names the new adapter as the second one of a module that has both" grep -qF 'q_proj.lora_A.2.weight' "$out/trace.json"
    check "the optimiser makes no step on the first adapter, which is frozen" \
        eval '! grep -F "\"phase\": \"optimiser\"" "$out/trace.json" | grep -qF "q_proj.lora_A.weight"'
    check "a Python program recomputes every node of this step at 0 ulp" "$python" tests/python/recompute_trace.py "$out"
else
    skip "a Python program recomputes the nodes of a step at 0 ulp" "python3 with numpy and mpmath is not installed"
fi
finish
