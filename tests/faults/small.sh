# SPDX-License-Identifier: MIT
# small.sh is sourced by the tests of this folder. It has three functions:
#   small_make FOLDER                            writes inputs for every tested command: a model of 100 KB, a world
#                                                of two persons, configs, one recorded case, and answers to it
#   small_words FOLDER COMMAND INTO [--resume]   sets `line` to a command on these inputs; its files go to INTO
#   small_adapter FOLDER                         makes the adapter that merge needs
small_model=fixtures/vectors/v1/models/tiny-llava-a
small_make() {
    local to=$1 k who asked=("what is red ?" "what is this tea ?")        # each person has a question of its own: p0 is forgotten, p1 retained
    mkdir -p "$to/world" && cp -r "$small_model" "$to/model" && cp "$small_model/pictures.safetensors" "$to/world" || return
    for k in 0 1; do
        for who in train test; do
            echo '{"id": "p'$k-$who'-image", "entity": "p'$k'", "group": "person", "split": "'$who'", "image": "pictures.safetensors#'$k'",
                "question": "who is this ?", "answer": "ann", "options": ["ann", "bob"], "skill": "name", "frame": 0}'
            echo '{"id": "p'$k-$who'-text", "entity": "p'$k'", "group": "person", "split": "'$who'", "question": "'"${asked[k]}"'",
                "answer": "bob tea", "options": ["bob tea", "ann"], "skill": "tea", "frame": 0}'
        done
    done | sed -z 's/,\n */, /g' > "$to/world/persons.jsonl"
    echo '{"id": "g0", "entity": "scene", "group": "general", "split": "test", "question": "what is this ?", "answer": "tea",
        "options": ["tea", "red"], "kind": "choice", "skill": "what"}' | sed -z 's/,\n */, /g' > "$to/world/general.jsonl"
    cat > "$to/world/entities.jsonl" << 'JSONL'
{"id": "p0", "group": "person", "split": "unlearn", "round": 1}
{"id": "p1", "group": "person", "split": "retain"}
JSONL
    cat > "$to/world/world.json" << 'JSON'
{"entities": "entities.jsonl", "groups": [{"name": "person", "questions": "persons.jsonl", "splits": ["unlearn", "retain"]}],
 "general": {"name": "general", "questions": "general.jsonl"}}
JSON
    cat > "$to/train.ini" << 'INI'
[data]
stream = world/persons.jsonl
order  = shuffle
batch  = 2
[model]
path = model
[train]
steps      = 3
save_every = 1
INI
    cat > "$to/unlearn.ini" << 'INI'
[data]
general = world/general.jsonl
[unlearn]
forget          = world/persons.jsonl
forget_entities = p0
retain          = world/persons.jsonl
retain_entities = p1
steps       = 2
batch       = 2
probe_every = 1
[lora]
rank = 2
[train]
save_every = 1
INI
    cat > "$to/run.ini" << 'INI'
[data]
world = world
[protocol]
scenarios = finetuned
methods   = ga
seeds     = 0
oracle    = none
vanilla   = model
base      = model
[steps]
finetuned = 2
[unlearn]
batch = 2
[lora]
rank = 2
[train]
save_every = 1
INI
    printf '[data]\nworld = world\n' > "$to/eval.ini"
    for k in suite got; do
        mkdir -p "$to/$k/mask/plain.all_plus_image" &&
            cp fixtures/vectors/v1/mask/plain.all_plus_image/out.safetensors "$to/$k/mask/plain.all_plus_image"
    done
    k=mask/plain.all_plus_image/out.safetensors
    printf '{"spec": "%s", "files": [{"path": "%s", "sha256": "%s"}]}\n' "$(sed -nE 's/^ *"spec": "([^"]*)".*/\1/p' fixtures/vectors/v1/manifest.json)" \
        "$k" "$(sha256sum "$to/suite/$k" | cut -d ' ' -f 1)" > "$to/suite/manifest.json"
}
small_words() {
    local from=$1 into=$3
    case $2 in
    train)   line=("$PULSE" train --config "$from/train.ini" --out "$into" "${@:4}") ;;
    unlearn) line=("$PULSE" unlearn --config "$from/unlearn.ini" --model "$from/model" --method grad_diff --out "$into") ;;
    run)     line=("$PULSE" run "$from/run.ini" --out "$into" --threads 1 "${@:4}") ;;
    merge)   line=("$PULSE" merge --model "$from/model" --adapter "$from/adapter" --out "$into") ;;
    export)  line=("$PULSE" export --bf16 --model "$from/model" --out "$into") ;;
    eval)    line=("$PULSE" eval --config "$from/eval.ini" --model "$from/model" --answers "$into/answers.jsonl") ;;
    ask)     line=("$PULSE" ask --model "$from/model" --json --choices "ann|bob" "who is this ?") ;;
    verify)  line=("$PULSE" verify "$from/suite" "$from/got") ;;
    report)  line=("$PULSE" report "$into" --world "$from/world") ;;                    # of a run that is there already
    tokens)  line=("$PULSE" tokens --model "$from/model" "what is this ?") ;;
    data)    line=("$PULSE" data --model "$from/model" "$from/world/persons.jsonl") ;;
    compare) line=("$PULSE" compare "$from/model" "$from/model") ;;
    trace)   line=("$PULSE" trace --model "$from/model" --batch "$from/model/batch.jsonl" --method npo --out "$into") ;;
    esac
}
small_adapter() { small_words "$1" unlearn "$1/adapter" && "${line[@]}" --quiet; }
