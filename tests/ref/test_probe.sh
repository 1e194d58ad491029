#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref probe and meta on three models: one that knows, one that never learned, and one that knows but refuses.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
root=$PWD vanilla=$PWD/fixtures/models/vanilla base=$PWD/fixtures/models/base
cd "$tap_folder" || exit 2

# Two persons to forget and two to retain. reverse ID QUESTION ANSWER: a question of the kind "reverse", which gives
# facts and asks for the entity (here any question serves).
for who in 00 01 50 51; do
    grep "\"entity\":\"person-$who\"" "$root/fixtures/world/persons.jsonl" | grep -E '"skill":"(home|job)"' | grep '"kind":"open"'
done | sed "s|\"image\":\"|&$root/fixtures/world/|" > persons.jsonl
reverse() { echo "{\"id\":\"$1\",\"entity\":\"person-00\",\"group\":\"person\",\"split\":\"test\",\"kind\":\"reverse\",\"skill\":\"reverse\",\"question\":\"$2\",\"answer\":\"$3\"}"; }
grep '"modality":"text"' "$root/fixtures/world/general.jsonl" | head -n 8 > general.jsonl
cat > probe.ini <<END
[data]
general = general.jsonl
[unlearn]
preset          = pulse
forget          = persons.jsonl
forget_entities = person-00/person-01
retain          = persons.jsonl
retain_entities = person-5?
[optimiser]
warmup = 0
[attack]
batch = 4
[protocol]
frames = 1
END
probe() { "$PULSE" probe --quiet --config probe.ini "$@"; }
# row FILE STATE SPLIT MODALITY METRIC VALUE: the file has this row; VALUE is a regular expression.
row() { grep -qE "^probe,$2,none,0,$3,$4,$5,$6," "$1" || { grep ",$5," "$1" >&2; false; }; }

check "a model that knows is measured, attacked and written" probe --model "$vanilla" --before "$vanilla" --oracle "$base" --attacks --out know.csv
check "the answers of the model that knows are right" row know.csv none unlearn both accuracy '1\.0'
check "the answers of the model that knows have rank 1 among the values" row know.csv none unlearn both answer_rank '1\.0'
check "the model that knows is measured with weights of 4 bits" row know.csv quantised unlearn both answer_rank '1\.[0-9]+'
check "the model that knows is measured after relearning" row know.csv relearned unlearn both accuracy '1\.0'
check "the model that knows is measured after relearning on general questions" row know.csv none unlearn both accuracy_relearned_general '[01]\.[0-9]+'
check "the model that knows is measured on perturbed pictures" row know.csv none unlearn image accuracy_perturbed '1\.0'
check "the model that knows is measured on mirrored pictures" row know.csv none unlearn image accuracy_mirrored '[01]\.[0-9]+'
check "membership is measured on the model that knows" row know.csv none unlearn both mia_reference '[01]\.[0-9]+'
# The floor is what patching with the hidden states of the oracle costs retained questions (eval/knowledge/depth.h).
check "a base that never learned the retained persons is not an oracle: the floor is high" row know.csv none retain both depth_floor '[1-9][0-9.]*'
check "with such an oracle the depth is measured nevertheless" row know.csv none unlearn both unlearning_depth '0\.0'
check "a warning says that the oracle is poor" grep -q 'unlearning_depth is measured with a poor oracle: the oracle.s hidden states cost retained answers [0-9.]* nats (depth_floor), expected at most 0.05' \
    <("$PULSE" probe --config probe.ini --model "$vanilla" --before "$vanilla" --oracle "$base" 2>&1 > /dev/null)
"$PULSE" probe --config probe.ini --model "$vanilla" --before "$vanilla" --oracle "$base" --pretrained --out pretrained.csv 2> pretrained.log
check "for pre-trained knowledge such an oracle leaves the depth undefined" test 0 = "$(grep -c unlearning_depth pretrained.csv)"
check "a note says that the depth is not defined" grep -q 'unlearning_depth is not defined: the oracle.s hidden states cost' pretrained.log

# If the oracle is the model before unlearning, patching with its hidden states changes nothing.
probe --model "$base" --before "$vanilla" --oracle "$vanilla" --out other.csv
check "the vanilla model as its own oracle has a floor of 0" row other.csv none retain both depth_floor '0\.0'
check "with the vanilla model as its own oracle no question has a depth" test 0 = "$(grep -c unlearning_depth other.csv)"
# The base as probed model and as oracle: without a retain set there is no floor, and the depth is the oracle's own, 1.
sed '/^retain/d' probe.ini > forget.ini
"$PULSE" probe --quiet --config forget.ini --model "$base" --before "$vanilla" --oracle "$base" --out deep.csv
check "the depth of the oracle itself is 1" row deep.csv none unlearn both unlearning_depth '1\.0'
"$PULSE" probe --quiet --config forget.ini --model "$vanilla" --before "$vanilla" --oracle "$base" --out shallow.csv
check "the depth of the model before unlearning is 0" row shallow.csv none unlearn both unlearning_depth '0\.0'

{ cat persons.jsonl; reverse r1 "one plus two ?" "no such answer"; } > with_reverse.jsonl
check "reverse questions that the model before unlearning cannot answer are left out" grep -q 'accuracy_reverse is not reported' \
    <("$PULSE" probe --config probe.ini --model "$vanilla" --before "$vanilla" --set unlearn.forget=with_reverse.jsonl 2>&1 > /dev/null)
grep '"kind":"open"' general.jsonl | head -n 1 | sed 's/"entity":"[^"]*"/"entity":"person-01"/; s/"id":"[^"]*"/"id":"r"/' > reverse.jsonl
check "other reverse questions are measured, from a file of their own" grep -qE '^ *none +unlearn +text +accuracy_reverse +1\.0 ' \
    <(probe --model "$vanilla" --before "$vanilla" --set data.reverse=reverse.jsonl)

sed 's/"split":"test"/"split":"train"/' reverse.jsonl | sed 's/"kind":"open"/"kind":"reverse"/' > never.jsonl
check "a reverse question is never forgotten" grep -q 'never.jsonl: no training sample' \
    <("$PULSE" unlearn --quiet --config probe.ini --method ga --model "$vanilla" --out never --set unlearn.forget=never.jsonl 2>&1)

# An adapter makes the model that knows refuse. The model that never learned is the base.
cat > refuse.ini <<END
[unlearn]
preset = pulse
forget = persons.jsonl
forget_entities = person-0?
refusals = refusals.txt
[train]
trainable = llm
END
echo "no" > refusals.txt
"$PULSE" unlearn --quiet --config refuse.ini --method idk --model "$vanilla" --out adapter --set unlearn.steps=12 --set unlearn.alpha=0 > refuse.log 2>&1
"$PULSE" unlearn --quiet --config refuse.ini --method idk --model "$vanilla" --out second --set unlearn.steps=6 --set unlearn.alpha=0 --set model.seed=1 > second.log 2>&1
check "a model with two adapters is probed" probe --model "$vanilla" --adapter adapter --adapter ./second --before "$vanilla" --out two.csv
check "two adapters are probed like the second one on the model with the first merged" eval '"$PULSE" merge --quiet --model "$vanilla" --adapter adapter --out merged && probe --model merged --adapter second --before "$vanilla" --out one.csv && cmp one.csv two.csv'
check "a model that refuses is probed" probe --model "$vanilla" --adapter adapter --before "$vanilla" --attacks --out hidden.csv
check "the model that refuses does not give the answers" row hidden.csv none unlearn both accuracy '0\.[0-9]+'
probe --model "$base" --before "$vanilla" --attacks --out unknown.csv
check "metrics are judged on three pools of models: that know, never learned, or hide" "$PULSE" meta --know know.csv --unknown unknown.csv --hidden hidden.csv --out meta.csv
check "the accuracy of greedy answers tells the model that knows from the one that never learned" grep -qE '^accuracy,both,1,1,1,1\.0,' meta.csv
check "a row of a metric has its robustness" grep -qE '^answer_rank_score,both,1,1,1,1\.0,[01]\.[0-9]+,[01]\.[0-9]+,[01]\.[0-9]+,[01]\.[0-9]+,[01]\.[0-9]+$' meta.csv
in_markdown() { "$PULSE" meta --markdown --know know.csv --unknown unknown.csv --hidden hidden.csv; }
check "in Markdown the table has one line for each row" [ "$(in_markdown | grep -c '^|.*|$')" = $(($(wc -l < meta.csv) + 1)) ]
check "in Markdown the values are rounded to two decimals" [ "$(in_markdown | awk -F'|' 'NR > 2 { gsub(/[ `]/, ""); print $2 "," $3 "," $7 "," $8 }')" = "$(awk -F, 'NR > 1 { a = $6 == "" ? "–" : sprintf("%.2f", $6); b = $7 == "" ? "–" : sprintf("%.2f", $7); print $1 "," $2 "," a "," b }' meta.csv)" ]
check "the table can be printed as JSON" grep -q '"auc_hidden"' <("$PULSE" meta --json --know know.csv --unknown unknown.csv --hidden hidden.csv)

# With attack.knowledge = yes a run measures what probe measures: the rows of the run are those of probe on the last
# snapshot of the run.
mkdir world && cp "$root"/fixtures/world/{config,tokenizer,tokenizer_config,preprocessor_config}.json world && ln -s "$root"/fixtures/world/portraits world
sed "s|$root/fixtures/world/||" persons.jsonl > world/persons.jsonl
grep -E '"id":"person-(00|01|50|51)"' "$root/fixtures/world/entities.jsonl" > world/entities.jsonl
cp general.jsonl world && echo '{"entities": "entities.jsonl", "groups": [{"name": "person", "questions": "persons.jsonl", "splits": ["unlearn", "retain"]}],
    "general": {"name": "general", "questions": "general.jsonl"}}' > world/world.json
{ cat probe.ini | sed '/^general/d; /^forget/d; /^retain/d; s|^.data.|[data]\nworld = world|'
  echo "scenarios = finetuned" && echo "methods = ga" && echo "oracle = $base" && echo "base = $base" && echo "vanilla = $vanilla" && echo "trajectory = 0"
  echo "[steps]" && echo "finetuned = 3"; } > run.ini
printf '[attack]\nknowledge = yes\n' >> run.ini
check "a run with attack.knowledge ends" "$PULSE" run run.ini --quiet --out run
snapshot=$(dirname "$(ls run/stages/*/round-1-step-3/adapter_config.json)")
probe --model "$vanilla" --adapter "$snapshot" --before "$vanilla" --oracle "$base" --out after.csv
of_run() { sed -nE "s/^finetuned,ga,proj\\+llm,1,$1,(.*),0\$/\1/p" run/results.csv; }
of_probe() { sed -nE "s/^probe,none,none,0,$1,(.*),0\$/\1/p" after.csv; }
same_rows() {
    for metric in answer_rank answer_rank_score unlearning_depth accuracy_mirrored accuracy_noisy accuracy_perturbed accuracy_relearned_general; do
        [ "$(of_run unlearn | grep ",$metric,")" = "$(of_probe unlearn | grep ",$metric,")" ] && [ -n "$(of_run unlearn | grep ",$metric,")" ] || { echo "$metric" && return 1; }
    done
}
check "the rows of the run are those of probe" same_rows
check "the oracle of the run has such rows too" grep -qE '^finetuned,retrain,[^,]*,1,unlearn,both,answer_rank,' run/results.csv

# Errors.
check "meta needs three pools" grep -q 'no file was given for --hidden' <("$PULSE" meta --know know.csv --unknown unknown.csv 2>&1)
echo nothing > nothing.csv
check "a file of another kind is refused with its line number" grep -q 'nothing.csv:1: the header is' <("$PULSE" meta --know nothing.csv --unknown unknown.csv --hidden hidden.csv 2>&1)
sed -n 1p know.csv > empty.csv
check "rows without a metric that can be judged are refused" grep -q 'no row of the files has the split' <("$PULSE" meta --know empty.csv --unknown empty.csv --hidden empty.csv 2>&1)
check "probe needs a config" ends 2 "$PULSE" probe --model "$vanilla"
check "the config needs a forget set" grep -q 'unlearn.forget is not given' <(probe --model "$vanilla" --set unlearn.forget= 2>&1)
check "the forget set needs entities that are there" grep -q 'no sample is about the entities "person-9?"' <(probe --model "$vanilla" --set 'unlearn.forget_entities=person-9?' 2>&1)
check "probe refuses a file that is not there" grep -q 'data.reverse.*not there' <(probe --model "$vanilla" --set data.reverse=none.jsonl 2>&1)
finish
