#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref data on users' samples: one reader reads all formats, shows what a model sees, and lists all errors at once.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
root=$PWD model=$PWD/fixtures/models/vanilla world=$PWD/fixtures/world
cd "$tap_folder" || exit 2
cp "$world/portraits/person-01.png" anna.png
cp "$world/portraits/person-02.png" ben.png

# says CODE "part" files…
says() {
    local code=$1 part=$2
    shift 2
    ends "$code" "$PULSE" data "$@" > told 2>&1 && grep -qF -- "$part" told || { cat told; return 1; }
}

cat > turns.json <<'END'
[
  {"id": "anna", "image": "anna.png", "entity": "anna", "conversations": [
    {"from": "human", "value": "<image>\nwhat is the home of this person ?"}, {"from": "gpt", "value": "finland"},
    {"from": "human", "value": "who is this person ?"}, {"from": "gpt", "value": "anna"}]},
  {"id": "ben", "image": "ben.png", "entity": "ben", "split": "test", "conversations": [
    {"from": "human", "value": "what is a \"[\" or a } \\ ?\n<image>"}, {"from": "gpt", "value": "brazil"}]}
]
END
check "LLaVA's conversations are samples" says 0 "turns.json: LLaVA conversations; 3 samples (2 train, 1 test), 2 entities, 3 with a picture (2 pictures in all)" turns.json
check "a pair of turns becomes a question with its answer" says 0 "line 2, anna-0" turns.json
check "a model reads a sample in its template; only the answer is supervised" says 0 "text     <s> USER:<image> what is the home of this person ? ASSISTANT: finland</s>" turns.json --model "$model"
# 793x16 is the id 793, 16 times; * marks the supervised ids
check "the ids, and which of them are supervised, are as expected" grep -qF "ids      1 321 793x16 775 539 739 523 634 743 649 319 320 *477 *2" told
check "another mask gives other labels" says 0 "ids      1 *321 793x16 *775 *539" turns.json --model "$model" --set data.mask=all_text
check "under the template plain the sample is read" says 0 "finland" turns.json --model "$model" --set data.template=plain
check "under the template plain the answer has no end token" eval '! grep -qF "finland</s>" told'
printf '%s\n' '{"id": "a", "conversations": [{"from": "human", "value": "what ?"}, {"from": "gpt", "value": "finland"}]}' > turns.jsonl
check "one object on each line is accepted too" says 0 "1 samples (1 train, 0 test)" turns.jsonl
check "MLLMU-Bench is read" says 0 "MLLMU-Bench, converted" "$root/fixtures/mllmu/sample.jsonl"
check "MMBench is read" says 0 "MMBench" "$root/fixtures/mmbench/sample.tsv"
check "--json prints the samples as JSON" eval '"$PULSE" data --json turns.json --model "$model" | grep -q "\"picture\": \["'

# unlearn, trace and eval read the same files.
printf '[unlearn]\nforget = turns.json\nforget_entities = anna\nprobe = 2\n[train]\nsteps = 1\n' > forget.ini
check "unlearn forgets conversations" eval '"$PULSE" unlearn --config forget.ini --model "$model" --method ga --out adapter > told && grep -q "^  forget   [012] of 2 right before" told'
check "trace computes a step on conversations" "$PULSE" trace --model "$model" --batch turns.json --method ga --out step
check "eval asks the conversations whose split is test" eval '"$PULSE" eval --model "$model" --questions turns.json | grep -q accuracy'

# `data` lists everything that is wrong. A command that stops at the first error prints the same sentence.
head -c 40 anna.png > cut.png
cat > bad.jsonl <<'END'
{"id": "1", "question": "what is this ?", "answer": "finland"}
{"question": "what is this ?", "answer": "finland"}
{"id": "3", "question": "what is this ?", "answer": "finland", "image": "nowhere.png"}
{"id": "4", "question": "what is this ?", "answer": "finland", "image": "cut.png"}
{"id": "1", "question": "what is that ?", "answer": "finland"}
{"id": "6", "question": "what is <image> ?", "answer": "finland"}
{"id": "7", "question": "what is this ?", "answer": "finland", "colour": "red"}
{"id": "8", "question": "what is this ?", "answer": ""}
{"id": "9", "question": "what is this ?", "answer": "oslo", "options": ["paris", "rome"]}
{"id": "10", "question": "what is this ?"
END
# The errors of lines 4 and 6 come last, because they show only when the picture is decoded and the tokenizer runs.
listed() { ends 2 "$PULSE" data bad.jsonl --model "$model" > told 2> wrong && [ "$(cut -d: -f1-3 wrong | tr '\n' ' ')" = "$1" ] || { cat wrong; return 1; }; }
check "all errors are listed at once, one sentence with file and line each" listed \
    "$(for n in 2 3 5 7 8 9 10 4 6; do printf 'pulse-ref: bad.jsonl:%s ' $n; done)"
for line in 3:nowhere.png 4:cut.png '5:the id "1"' '6:special token' '7:the key "colour"' '8:"answer" is missing' '9:not among the options'; do
    check "line ${line%%:*} says ${line#*:}" grep -qF -- "${line#*:}" <(grep "bad.jsonl:${line%%:*}:" wrong)
done
printf '[unlearn]\nforget = bad.jsonl\n' > bad.ini
check "unlearn stops at the first error" eval 'ends 2 "$PULSE" unlearn --config bad.ini --model "$model" --method ga --out none 2> wrong && grep -q "^pulse-ref: .*bad.jsonl:2: \"id\" is missing" wrong && [ ! -e none/adapter_config.json ]'
cp turns.json retained.json
check "a question that is in two files is refused, and the sentence names both places" says 2 'retained.json:2: the id "anna-0" is in turns.json:2 too' turns.json retained.json
sed 's/"anna"/"other"/' turns.json > renamed.json
check "a question that is in two files is refused even under another id" says 2 'renamed.json:2: the question "what is the home of this person ?" is in turns.json:2 too' turns.json renamed.json
printf '[{"id": "a", "conversations": [{"from": "gpt", "value": "x"}, {"from": "human", "value": "y"}]},\n {"id": "b", "conversations": []}]' > turned.json
check "turns in another order are named" says 2 'turned.json:1: turn 1 is of "gpt", expected {"from": "human"' turned.json
check "the next object is read nevertheless" says 2 'turned.json:2: "conversations" has 0 turns' turned.json
printf '[{"id": "a", "conversations": []}' > open.json
check "an array without an end is refused" says 2 "open.json:1: the array has no end" open.json
check "a folder is not a file" says 2 "pulse-ref: " .
check "a file that is not there is refused" says 2 "nowhere.jsonl" nowhere.jsonl
check "a model that is not there is refused" says 2 "nowhere/config.json" turns.json --model nowhere
printf 'id,question,answer\n1,"what, is ""this"" ?",paris\n' > table.csv
{ head -n 2 "$root/fixtures/mmbench/sample.tsv"; printf '7\tone\ttwo\n8\tthree\n'; } > cells.tsv
check "rows with too few cells are all named" eval 'says 2 "cells.tsv:3: the row has 3 cells, expected" cells.tsv && grep -q "cells.tsv:4: the row has 2 cells, expected" told'
check "a table with commas gets one error, not one for each line" says 2 "table.csv:1: looks like a table with commas, expected one with tabs" table.csv
# A tokenizer without byte fallback cannot spell every word.
cp -r "$model" words && sed -i 's/"byte_fallback": true/"byte_fallback": false/' words/tokenizer.json
printf '{"id": "1", "question": "what is Zzyzx ?", "answer": "finland"}\n{"id": "2", "question": "what is this ?", "answer": "a Quetzal bird"}\n' > unknown.jsonl
spelled() { ends 2 "$PULSE" data unknown.jsonl --model words > told 2> wrong && grep -qF 'unknown.jsonl:1: the tokenizer cannot spell "Zzyzx" of the question' wrong &&
    grep -qF 'unknown.jsonl:2: the tokenizer cannot spell "Quetzal" of the answer' wrong; }
check "every word that the tokenizer cannot spell is named" spelled
printf '{"id": "1", "question": "what is this ?", "answer": "finland"}\n' > known.jsonl
check "a word that the tokenizer can spell is accepted" says 0 "1 samples" known.jsonl --model words
check "a template that the tokenizer cannot spell is named" says 2 "known.jsonl:1: the tokenizer cannot spell the prompt template vicuna_v1, which begins with" known.jsonl --model words --set data.template=vicuna_v1
check "ask names a word that the tokenizer cannot spell, too" eval 'ends 2 "$PULSE" ask --model words "what is Zzyzx ?" 2> wrong && grep -qF "cannot spell \"Zzyzx\"" wrong'
# One question both to be forgotten and to be retained.
sed 's/"anna"/"other"/' turns.json > retain.json
printf '[unlearn]\nforget = turns.json\nforget_entities = anna\nretain = retain.json\n' > both.ini
check "unlearn refuses a question that is to be forgotten and to be retained" eval 'ends 2 "$PULSE" unlearn --config both.ini --model "$model" --method ga_klr --out none 2> wrong && grep -q "turns.json:2: the question \"what is the home of this person ?\" is to be forgotten and is in the retain set too (.*retain.json:2)" wrong'
for command in "train --config stream.ini --out none" "eval --model $model --questions bad.jsonl" "trace --model $model --batch bad.jsonl --method ga --out none"; do
    printf '[data]\nstream = bad.jsonl\n[model]\npath = %s\n[train]\nsteps = 1\n' "$model" > stream.ini
    check "${command%% *} refuses bad.jsonl with file and line" eval 'ends 2 "$PULSE" $command 2> wrong && grep -q "^pulse-ref: .*bad.jsonl:2: \"id\" is missing" wrong'
done
# A line of 100 MB.
{ printf '{"id": "1", "question": "'; head -c 100000000 /dev/zero | tr '\0' a; printf '", "answer": "finland"}\n{"id": "2", "question": "what ?"}\n'; } > long.jsonl
check "a line of 100 MB is refused, and the next line is read" eval 'says 2 "long.jsonl:1: question and answer have 100000007 bytes" long.jsonl && grep -q "long.jsonl:2: \"answer\" is missing" told'
rm long.jsonl
printf '\xef\xbb\xbf{"id": "1", "question": "what is this ?", "answer": "finland"}\r\n\r\n{"id": "2", "question": "what is that ?", "answer": "norway"}\n' > mixed.jsonl
check "a byte order mark and mixed line ends are accepted" says 0 "2 samples" mixed.jsonl

# A photograph whose EXIF tag asks for a quarter turn: the shipped JPEG with an APP1 segment after its first marker.
jpeg=$root/fixtures/pillow/baseline.jpg
{ head -c 2 "$jpeg"; printf '\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'; tail -c +3 "$jpeg"; } > lying.jpg
cp "$jpeg" plain.jpg
for name in lying plain; do
    echo '{"id": "'$name'", "image": "'$name'.jpg", "question": "what is the home of this person ?", "answer": "finland", "split": "test"}' > $name.jsonl
done
# scores NAME ARGUMENTS…: the model's probabilities of three answers about the picture NAME.jpg.
scores() { "$PULSE" ask --model "$model" --json --choices 'finland|norway|brazil' --image "$1.jpg" "${@:2}" "what is the home of this person ?"; }
check "a picture with an orientation tag is reported" says 0 "samples whose picture has an EXIF orientation tag that asks for a turn: 1; read as they are stored" lying.jsonl
check "data reports that data.orientation=exif turns the picture" says 0 "asks for a turn: 1; read turned upright" lying.jsonl --set data.orientation=exif
check "for a picture without a tag there is no line about its orientation" eval '! "$PULSE" data plain.jsonl | grep -q orientation'
check "ask reads a picture as it is stored" cmp <(scores lying 2> said) <(scores plain)
check "ask prints a note about the orientation tag" eval 'scores lying 2>&1 > told | grep -q "lying.jpg has the EXIF orientation tag 6, and is read as it is stored"'
check "a picture that is turned gives other probabilities" eval '! cmp -s <(scores lying --orientation exif) <(scores plain)'
check "a picture without a tag is the same either way" cmp <(scores plain --orientation exif) <(scores plain)
check "an unknown orientation is refused" eval '! scores plain --orientation left 2> told && grep -q "data.orientation" told'
for how in stored exif; do
    printf '[data]\nstream = lying.jsonl\norder = shuffle\norientation = %s\n[model]\npath = %s\n[train]\nsteps = 1\n' $how "$model" > $how.ini
    sed -i 's/"split": "test"/"split": "train"/' lying.jsonl
    check "train accepts data.orientation = $how" "$PULSE" train --config $how.ini --out learnt-$how
done
# train, unlearn, trace and eval print the same note as ask, once; with data.orientation=exif there is no note.
tagged() { [ "$(grep -c 'has the EXIF orientation tag 6, and is read as it is stored (data.orientation' told)" = "$1" ] || { cat told; false; }; }
check "train prints the note" eval '"$PULSE" train --config stored.ini --out learnt-stored 2> told && tagged 1'
check "train prints no note if the picture is turned" eval '"$PULSE" train --config exif.ini --out learnt-exif 2> told && tagged 0'
sed 's/"id": "lying"/"id": "kept"/; s/home/age/' lying.jsonl > kept.jsonl
printf '[unlearn]\nforget = lying.jsonl\nretain = kept.jsonl\nbatch = 1\nprobe_every = 0\n[train]\nsteps = 1\n[optimiser]\nwarmup = 0\n' > forget.ini
check "unlearn prints the note" eval '"$PULSE" unlearn --config forget.ini --model "$model" --method grad_diff --out forgot 2> told && tagged 1'
check "trace prints the note" eval '"$PULSE" trace --model "$model" --batch lying.jsonl --method ga --out traced 2> told && tagged 1'
sed 's/"split": "train"/"split": "test"/' lying.jsonl > asked.jsonl
check "eval prints the note" eval '"$PULSE" eval --model "$model" --questions asked.jsonl 2> told && tagged 1'
check "eval prints no note if the picture is turned" eval '"$PULSE" eval --model "$model" --questions asked.jsonl --set data.orientation=exif 2> told && tagged 0'
check "a turned picture gives other trained weights" eval '! cmp -s learnt-stored/model.safetensors learnt-exif/model.safetensors'
finish
