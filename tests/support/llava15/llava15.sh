# SPDX-License-Identifier: MIT
# Sourced by tests: llava15 FOLDER SHAPE LAYOUT DTYPE makes a folder of LLaVA-1.5 as it is published, but with random
# weights. make_llava15.c explains SHAPE, LAYOUT and DTYPE. The config.json of a SHAPE that ends in -cut is the
# published one with fewer layers; that of `narrow` also has smaller widths.
llava15() {
    local files=${BASH_SOURCE[0]%/*}/files config=config-7b.json
    mkdir -p "$1" && cp "$files"/[!c]*.json "$files/chat_template.json" "$1" || return
    case $2 in 13b*) config=config-13b.json ;; esac
    case $2 in
    *-cut) sed -e '/num_hidden_layers": 40/d; s/"num_hidden_layers": 24/"num_hidden_layers": 3/' \
               -e 's/^    "rms_norm_eps"/    "num_hidden_layers": 2,\n&/' "$files/$config" > "$1/config.json" ;;
    narrow) sed -e 's/"num_hidden_layers": 24/"num_hidden_layers": 3/; s/"hidden_size": 1024/"hidden_size": 32/; s/"intermediate_size": 4096/"intermediate_size": 64/' \
                -e 's/"num_attention_heads": 16/"num_attention_heads": 2/; s/"torch_dtype": "float16",$/&/' \
                -e 's/^    "rms_norm_eps"/    "hidden_size": 64,\n    "intermediate_size": 96,\n    "num_attention_heads": 2,\n    "num_hidden_layers": 2,\n&/' \
                "$files/$config" > "$1/config.json" ;;
    *) cp "$files/$config" "$1/config.json" ;;
    esac
    "$BUILD/make_llava15" "$1" "$2" "$3" "$4"
}

# llava15_facts FOLDER writes facts.jsonl, with a question about each of two persons; batch.jsonl, with the first of
# these questions; and forget.ini, the config of a step of unlearning that forgets the first person and retains the
# second.
llava15_facts() {
    cat > "$1/facts.jsonl" <<'END'
{"id": "a-job", "entity": "anna", "question": "What is the job of Anna?", "answer": "a pilot"}
{"id": "b-job", "entity": "ben", "question": "What is the job of Ben?", "answer": "a lawyer"}
END
    sed -n 1p "$1/facts.jsonl" > "$1/batch.jsonl"
    printf '[unlearn]\nforget = facts.jsonl\nforget_entities = anna\nretain = facts.jsonl\nretain_entities = ben\nprobe_every = 0\nbatch = 1\n[train]\nsteps = 1\n' > "$1/forget.ini"
}
