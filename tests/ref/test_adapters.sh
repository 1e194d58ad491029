#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Several adapters: all of them at once, or for each question the one that a router chooses.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
model=$PWD/fixtures/models/vanilla world=$PWD/fixtures/world
cd "$tap_folder" || exit 2

cat > forget.ini <<END
[unlearn]
forget          = $world/persons.jsonl
retain          = $world/persons.jsonl
forget_entities = person-01/person-02
retain_entities = person-50
merge           = no
probe_every     = 0
batch           = 2
[train]
steps     = 2
trainable = proj+llm
[optimiser]
lr = 3e-4
END
printf "i know\n" > refusals.txt
# Questions without a picture, because paths of pictures would not hold in this folder.
grep -E "\"entity\":\"person-0[123]\"" "$world/persons.jsonl" | grep "\"split\":\"test\"" | grep "\"modality\":\"text\"" > all.jsonl
for k in 1 2 3; do grep "\"entity\":\"person-0$k\"" all.jsonl > "$k.jsonl"; done

asks() {     # asks FILE ARGUMENTS-OF-EVAL…: prints the answers to one file of questions
    local file=$1
    shift
    "$PULSE" eval --model "$model" --questions "$file" --answers answers "$@" --quiet > /dev/null && cat answers
}
refuses() {  # refuses "part" ARGUMENTS-OF-EVAL…
    local part=$1
    shift
    ends 2 "$PULSE" eval --model "$model" --questions 1.jsonl "$@" > told 2>&1 && [ "$(grep -c '^pulse-ref: ' told)" = 1 ] &&
        grep -qF -- "$part" told || { cat told; return 1; }
}
bad() { printf '%s' "$2" > bad.json; refuses "$1" --router bad.json; }       # bad "part" TEXT
nll() { "$PULSE" ask --model "$@" "who ?" --choices ann --json | grep '"nll"'; }

check "unlearn leaves an adapter for each request" "$PULSE" unlearn --config forget.ini --model "$model" --method adapters --out each \
    --set unlearn.refusals=refusals.txt
check "unlearn writes a router that lists the entities of each adapter" eval 'tr -d " \n" < each/router.json > told && grep -qxF "{\"adapters\":[{\"folder\":\"adapter-1\",\"entities\":[\"person-01\"]},{\"folder\":\"adapter-2\",\"entities\":[\"person-02\"]}]}" told'
routed=$(asks all.jsonl --router each/router.json)
check "every question is answered" test "$(printf '%s\n' "$routed" | wc -l)" = "$(wc -l < all.jsonl)"
check "the adapter of the first request answers the questions of this request" test "$(asks 1.jsonl --router each/router.json)" = "$(asks 1.jsonl --adapter each/adapter-1)"
check "the adapter of the second request answers the questions of this request" test "$(asks 2.jsonl --router each/router.json)" = "$(asks 2.jsonl --adapter each/adapter-2)"
check "the two adapters answer differently" test "$(asks 2.jsonl --adapter each/adapter-1)" != "$(asks 2.jsonl --adapter each/adapter-2)"
check "the model alone answers all other questions" test "$(asks 3.jsonl --router each/router.json)" = "$(asks 3.jsonl)"
check "the answers have the order of the questions" test "$(printf '%s\n' "$routed" | grep -o '"id": "[^"]*"')" = "$(asks all.jsonl | grep -o '"id": "[^"]*"')"
check "eval prints a table for all questions" eval '"$PULSE" eval --model "$model" --questions all.jsonl --router each/router.json | grep -q option_accuracy'
id=$(grep -o '"id":"[^"]*"' 3.jsonl | head -n 1)
printf '{"adapters": [{"folder": "%s/each/adapter-2", "questions": [%s]}]}' "$PWD" "${id#*:}" > one.json
check "a question that the router lists by its id is answered by that adapter" test "$(asks 3.jsonl --router one.json | head -n 1)" = "$(asks 3.jsonl --adapter each/adapter-2 | head -n 1)"
unmerged=$(asks 1.jsonl --router each/router.json --unmerged)
check "with --unmerged every question is answered" test "$(printf '%s\n' "$unmerged" | grep -c '"id"')" = "$(grep -c . 1.jsonl)"
check "with --unmerged the answers have other numbers" test "$unmerged" != "$(asks 1.jsonl --router each/router.json)"
check "with --unmerged a router gives the same numbers as --adapter" test "$unmerged" = "$(asks 1.jsonl --adapter each/adapter-1 --unmerged)"

# Both adapters are used at once. Adapters of the language model alone can be added; two whole projectors cannot.
check "two adapters are trained" "$PULSE" unlearn --config forget.ini --model "$model" --method adapters --out sum --set train.trainable=llm \
    --set unlearn.refusals=refusals.txt
one=sum/adapter-1 two=sum/adapter-2
check "merge takes both adapters" "$PULSE" merge --model "$model" --adapter $one --adapter $two --out merged
check "merging both at once gives the same model as merging one after the other" eval '"$PULSE" merge --model "$model" --adapter $one --out first && "$PULSE" merge --model first --adapter $two --out second && cmp merged/model.safetensors second/model.safetensors'
check "ask uses both adapters" test "$(nll "$model" --adapter $one --adapter $two)" = "$(nll merged)"
check "eval uses both adapters" test "$(asks 1.jsonl --adapter $one --adapter $two)" = "$("$PULSE" eval --model merged --questions 1.jsonl --answers answers --quiet > /dev/null; cat answers)"
check "with --unmerged both adapters are added too, with other last bits" test "$(nll "$model" --adapter $one --adapter $two --unmerged)" != "$(nll merged)"
check "the sum is not the first adapter alone" test "$(nll "$model" --adapter $one --adapter $two --unmerged)" != "$(nll "$model" --adapter $one --unmerged)"
check "two whole projectors are refused" refuses "both adapters replace multi_modal_projector" --adapter each/adapter-1 --adapter each/adapter-2
check "one whole projector beside an adapter of llm is accepted" asks 1.jsonl --adapter each/adapter-1 --adapter $two
check "one adapter twice is refused" refuses "this adapter is given twice" --adapter $one --adapter ./$one/
sed 's/"r": 16/"r": 8/' $one/adapter_config.json > each/adapter_config.json && cp $one/adapter_model.safetensors each
check "an adapter that does not fit is refused" refuses "was expected" --adapter $one --adapter each
check "a router and an adapter are refused" refuses "expected one of them" --adapter $one --router each/router.json

check "a router file that is not there is refused" refuses nowhere.json --router nowhere.json
check "a router whose adapters are no list is refused" bad '"adapters" is not a list with entries' '{"adapters": {}}'
check "a router with an empty list of adapters is refused" bad '"adapters" is not a list with entries' '{"adapters": []}'
check "a router that is no object is refused" bad "this is not an object" '[]'
check "an unknown key of a router is refused" bad 'there is no key "adapter", expected "adapters"' '{"adapter": []}'
check "an unknown key of an entry is refused" bad 'bad.json: adapters[0]: there is no key "entity"' '{"adapters": [{"folder": "x", "entity": "y"}]}'
check "an entry without a folder is refused" bad "adapters[0]" '{"adapters": [{"entities": ["y"]}]}'
check "a list of numbers as entities is refused" bad '"entities" [0] is not a text' '{"adapters": [{"folder": "x", "entities": [1]}]}'
check "an entity that two adapters list is refused" bad 'adapters[1]: the entity "y" is listed by x too' '{"adapters": [{"folder": "x", "entities": ["y"]}, {"folder": "z", "entities": ["y"]}]}'
check "a question that two adapters list is refused" bad 'the question "y" is listed by x too' '{"adapters": [{"folder": "x", "questions": ["y"]}, {"folder": "z", "questions": ["y"]}]}'
check "an adapter that is not there is refused" bad "nothing/adapter_config.json" '{"adapters": [{"folder": "nothing", "entities": ["person-01"]}]}'
finish
