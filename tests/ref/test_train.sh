#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Training as a user meets it: killed and resumed, two at once, a full disk, wrong settings, a damaged model.
. tests/support/tap.sh
out=$tap_folder/out base=fixtures/models/base
cat > "$tap_folder/c.ini" <<INI
[data]
world  = $PWD/fixtures/world
stream = $PWD/fixtures/world/general.jsonl
order  = shuffle
batch  = 2
[model]
config = $PWD/fixtures/world/config.json
[train]
steps      = 12
save_every = 1
accumulate = 2
INI
train() { "$PULSE" train --config "$tap_folder/c.ini" --quiet --out "$@"; }

# refused "part" command…: exit code 2, nothing on stdout, one sentence with the part.
refused() {
    local part=$1
    shift
    ends 2 "$@" > "$tap_folder/stdout" 2> "$tap_folder/stderr" || { cat "$tap_folder/stderr"; return 1; }
    [ ! -s "$tap_folder/stdout" ] && [ "$(wc -l < "$tap_folder/stderr")" = 1 ] && grep -q '^pulse-ref: ' "$tap_folder/stderr" \
        && grep -qF -- "$part" "$tap_folder/stderr" || { cat "$tap_folder/stdout" "$tap_folder/stderr"; return 1; }
}

# The training is killed three times, each time at a new checkpoint. Then half a checkpoint and half a line of the log
# are added, as a kill may leave them.
killed() {
    for _ in 1 2 3; do
        before=$(stat -c %i "$out/checkpoint.safetensors" 2>/dev/null)
        "$PULSE" train --config "$tap_folder/c.ini" --quiet --out "$out" --resume & child=$!
        until [ "$(stat -c %i "$out/checkpoint.safetensors" 2>/dev/null)" != "$before" ] || ! kill -0 $child 2>/dev/null; do sleep 0.02; done
        kill -9 $child
        wait $child
    done 2>/dev/null
    [ ! -e "$out/model.safetensors" ] && echo half > "$out/checkpoint.safetensors.part-7" && printf '{"step": 3' >> "$out/log.jsonl"
}
held() { (flock -n 9 && refused "another process is writing" train "$out") 9< "$out"; }
# no_room KIB: no file may be larger than this, as on a full disk.
no_room() { (trap '' XFSZ; ulimit -f "$1"; refused "cannot be written" train "$tap_folder/room"); }
same_files() { diff -r "$1" "$2"; }
# Held-out samples are scored at steps 0, 5, 10 and 12. Weights and other log lines are as without scoring.
awk -v at="$PWD/fixtures/world/" 'NR % 25 == 1 { sub(/"image":"/, "&" at); print }' fixtures/world/known_persons.jsonl > "$tap_folder/asked.jsonl"
scored=(--set data.eval="$tap_folder/asked.jsonl" --set train.eval_every=5)
only_the_log_differs() {
    cmp "$tap_folder/whole/model.safetensors" "$tap_folder/scored/model.safetensors" \
        && diff <(grep -v '"eval"' "$tap_folder/scored/log.jsonl") "$tap_folder/whole/log.jsonl" \
        && [ "$(sed -nE 's/^\{"step": ([0-9]+), "eval".*/\1/p' "$tap_folder/scored/log.jsonl" | xargs)" = "0 5 10 12" ]
}
# `eval` finds the same count of exact answers and the same mean loss over all tokens.
as_eval_says() {
    train "$tap_folder/scored-base" --set model.path="$PWD/$base" --set train.steps=0 --set data.eval="$tap_folder/asked.jsonl" > /dev/null
    "$PULSE" eval --model $base --questions "$tap_folder/asked.jsonl" --answers "$tap_folder/answers.jsonl" --quiet > /dev/null
    sed -nE 's/.*"exact": (true|false).*"token_nll": \[([^]]*)\].*/\1 \2/p' "$tap_folder/answers.jsonl" | tr -d , \
        | awk '{ exact += $1 == "true"; for (k = 2; k <= NF; k++) { sum += $k; n++ } } END { printf "%.6g %d %d %d\n", sum / n, exact, NR, n }' > "$tap_folder/eval-says"
    sed -nE 's/.*"eval": \{"loss": ([^,]*),.*"exact": ([0-9]+), "samples": ([0-9]+),.*"tokens": ([0-9]+).*/\1 \2 \3 \4/p' "$tap_folder/scored-base/log.jsonl" \
        | awk '{ printf "%.6g %d %d %d\n", $1, $2, $3, $4 }' | diff - "$tap_folder/eval-says" && ! grep -qE ' 0 | 0$' "$tap_folder/eval-says"
}
# stopped_at N: the training is killed as soon as the log has the score of step N.
stopped_at() { "$PULSE" train --config "$tap_folder/c.ini" --quiet --out "$tap_folder/stopped" "${scored[@]}" & child=$!
    until grep -q "^{\"step\": $1, \"eval\"" "$tap_folder/stopped/log.jsonl" 2> /dev/null || ! kill -0 $child; do sleep 0.01; done
    kill -9 $child
    wait $child
    [ ! -e "$tap_folder/stopped/model.safetensors" ]
} 2> /dev/null

check "a training runs" train "$tap_folder/whole"
check "a training that is killed leaves no model" killed
check "with --resume the training goes on" train "$out" --resume
check "the resumed training ends with the same files as one that was never stopped" same_files "$tap_folder/whole" "$out"
check "held-out samples can be scored while training" train "$tap_folder/scored" "${scored[@]}"
check "scores change no weight and no other line of the log" only_the_log_differs
check "the score is that of eval on the same questions" as_eval_says
for n in 0 5 10; do
    check "a training is killed at the score of step $n" stopped_at $n
    check "the training that was killed at the score of step $n goes on" train "$tap_folder/stopped" "${scored[@]}" --resume
    check "the training that was killed at the score of step $n ends with the same files and log" same_files "$tap_folder/scored" "$tap_folder/stopped"
    rm -r "$tap_folder/stopped"
done
printf '{"id": "a", "question": "who ?", "answer": "me"}\n' > "$tap_folder/train.jsonl"
printf '{"id": "a", "split": "test", "question": "who ?", "answer": "me", "image": "none.png"}\n' > "$tap_folder/lost.jsonl"
check "a data.eval without test samples is refused" refused 'train.jsonl:1: no sample has "split": "test"' train "$tap_folder/bad" --set data.eval="$tap_folder/train.jsonl"
check "a held-out picture that is not there is refused" refused "lost.jsonl:1: " train "$tap_folder/bad" --set data.eval="$tap_folder/lost.jsonl"
check "a held-out file that is not there is refused" refused "nowhere.jsonl" train "$tap_folder/bad" --set data.eval=nowhere.jsonl
check "scoring without data.eval is refused" refused "data.eval is empty" train "$tap_folder/bad" --set train.eval_every=5
for words in data.stream= data.stream=nowhere.jsonl data.eval=nowhere.jsonl model.config=nowhere.json model.path=nowhere train.trainable=zz train.trainable=; do
    check "$words is refused with the config's file and its key" refused "c.ini: ${words%%=*}: " train "$tap_folder/bad" --set "$words"
done
check "adapters of no module are refused with the config's file" refused 'c.ini: [lora]: ' train "$tap_folder/bad" --set train.trainable=llm --set lora.targets=zz
check "a warm-up longer than the training is refused with the keys, before anything is read" refused "c.ini: optimiser.warmup, optimiser.hold, train.steps: " \
    train "$tap_folder/bad" --set optimiser.warmup=50 --set model.path=nowhere --set model.config=
check "resuming without the held-out file is refused" refused "belongs to another training" train "$tap_folder/scored" --resume
check "a folder that another process writes into is refused" held
check "a training without room for a checkpoint is refused" no_room 64
check "a training without room for a checkpoint leaves no half-written file" test -z "$(find "$tap_folder/room" -name '*.safetensors*' -o -name '*.part-*')"
cp -r "$out" "$tap_folder/changed" && sed -i '1s/.$/x/' "$tap_folder/changed/log.jsonl"
check "a log that was changed since the checkpoint is refused" refused "are not those that the checkpoint knows" train "$tap_folder/changed" --resume
check "a checkpoint of another training is refused" refused "belongs to another training" train "$out" --resume --set train.seed=1
check "a beta1 of 1 is refused" refused 'beta1 is "1", expected a number of at least 0 and below 1' train "$tap_folder/bad" --set optimiser.beta1=1
printf '[train\nsteps = 3\n' > "$tap_folder/open.ini"
check "a section without its bracket is refused with its line number" refused "open.ini:1: steps is in no section" "$PULSE" train --config "$tap_folder/open.ini" --out "$tap_folder/bad"
check "--json prints the result as JSON" grep -q '"steps": 2,' <(train "$tap_folder/told" --json --set train.steps=2 --set train.save_every=0 2> /dev/null)
# The projector has 64 x 96 + 96 and 96 x 96 + 96 weights. Each of the 4 layers has 7 adapters of rank 16: 4 between
# 96 and 96 values, and 3 between 96 and 256.
check "the count of trained weights includes the adapters" grep -q "\"trained\": $((64 * 96 + 96 + 96 * 96 + 96 + 4 * 16 * (4 * (96 + 96) + 3 * (96 + 256))))," \
    <(train "$tap_folder/counted" --json --set train.steps=1 --set train.save_every=0 --set train.trainable=proj+llm 2> /dev/null)
check "an option before the command is refused" refused "comes before the command" "$PULSE" --threads 1 ask
check "a choice that is given twice is refused" refused "is given twice" "$PULSE" ask --model $base --choices "rome|rome" "where ?"
check "accumulate may be larger than the number of samples" train "$tap_folder/groups" --set train.accumulate=1000000000000 --set train.save_every=0
# In the copy `nan` the last number is a NaN. In the copy `large` the last 64 numbers are the largest float.
cp -r $base "$tap_folder/nan"
printf '\000\000\300\177' | dd of="$tap_folder/nan/model.safetensors" bs=1 seek=$(($(stat -c %s $base/model.safetensors) - 4)) conv=notrunc 2>/dev/null
cp -r $base "$tap_folder/large"
printf '\377\377\177\177%.0s' {1..64} | dd of="$tap_folder/large/model.safetensors" bs=1 seek=$(($(stat -c %s $base/model.safetensors) - 256)) conv=notrunc 2>/dev/null
check "a model that overflows fp32 gives an error instead of an answer" refused "the logits of a token of the answer are NaN" "$PULSE" ask --model "$tap_folder/large" --image fixtures/world/flags/dz.png "what is the capital ?"
check "a model that overflows fp32 gives an error instead of a score" refused "the logits of a token of the answer are NaN" "$PULSE" eval --model "$tap_folder/large" --questions fixtures/mmbench/sample.tsv
nan="expected finite numbers: vision_tower.vision_model.pre_layrnorm.weight"
for words in "ask --model $tap_folder/nan hello" "eval --model $tap_folder/nan --questions fixtures/mmbench/sample.tsv" "train --config $tap_folder/c.ini --set model.path=$tap_folder/nan --out $tap_folder/bad" \
             "unlearn --config $tap_folder/c.ini --model $tap_folder/nan --method ga --out $tap_folder/bad" "run fixtures/configs/smoke.ini --set protocol.base=$tap_folder/nan --out $tap_folder/bad" \
             "trace --model $tap_folder/nan --batch fixtures/world/persons.jsonl --method ga --out $tap_folder/bad"; do
    check "a model with NaN: ${words%% *} names the tensor" refused "$nan" "$PULSE" $words
done
for token in image /s; do
    rm -rf "$tap_folder/nan" && cp -r $base "$tap_folder/nan"
    sed -i "s|\"<$token>\"|\"<$token >\"|" "$tap_folder/nan/tokenizer.json"
    check "a tokenizer without <$token> is refused" refused "the special token \"<$token>\"" "$PULSE" ask --model "$tap_folder/nan" "what is 1 plus 1 ?"
done
check "a question that is too long is refused" refused "max_position_embeddings" "$PULSE" ask --model $base "$(printf 'a %.0s' {1..500})"
finish
