#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref eval on files of other benchmarks, and under the quantisation attack.
. tests/support/tap.sh
model=fixtures/models/vanilla

# row "GROUP … TOTAL": the table has this row, followed by n and the better directions for retained and forgotten facts.
row() { grep -qE "^$1 +[0-9]+ +(up|down|0|0\.5|1) +(up|down|0|0\.5|1|-)\$" "$tap_folder/table" || { cat "$tap_folder/table"; false; }; }
# Prints the table with the heading of each row, such as "mllmu open image", before the row.
flat() { awk '/^[^ ]/ { heading = $0; gsub(", ", " ", heading) } /^  [^ ]/ && heading { print heading $0 }'; }
table() { "$PULSE" eval --model $model "$@" > "$tap_folder/blocks" && flat < "$tap_folder/blocks" > "$tap_folder/table"; }

check "eval asks every rotation of MMBench's questions" table --questions fixtures/mmbench/sample.tsv
check "the single pass of MMBench counts questions" row 'mmbench +choice +image +mmbench_single +[0-9.]+ +[0-3] +3'
check "CircularEval counts questions" row 'mmbench +choice +image +mmbench_circular +[0-9.]+ +[0-3] +3'
check "the rows about the same questions have one heading" test 1 = "$(grep -c '^mmbench, choice, image$' "$tap_folder/blocks")"
check "the names of the columns are printed once, at the top" grep -qE '^  metric +value +count +total +n +better +better_forget$' <(head -n 1 "$tap_folder/blocks")
check "accuracy counts every rotation as a question" row 'mmbench +choice +image +accuracy +[0-9.]+ +[0-9] +9'
check "MLLMU-Bench's persons are asked" table --questions fixtures/mllmu/sample.jsonl
check "letters are counted with a picture" row 'mllmu +choice +image +first_letter +[0-9.]+ +[0-5] +5'
check "letters are counted without a picture too" row 'mllmu +choice +text +first_letter +[0-9.]+ +[01] +1'
check "blanks are counted" row 'mllmu +cloze +both +cloze +[0-9.]+ +[0-2] +2'
check "generated text is measured with the stemmer" row 'mllmu +open +both +rougeL_stem +[0-9.]+ *'
check "questions without options have no row of a metric of options" test 0 = "$(grep -cE 'mllmu +(open|cloze) .*(option_|truth|NaN)' "$tap_folder/table")"

# 60 questions about persons are enough to notice weights that are rounded to 4 bits, so that each has one of 15 values.
grep '"split": *"test"' fixtures/world/persons.jsonl | head -n 60 | sed "s|\"image\": *\"|&$PWD/fixtures/world/|" > "$tap_folder/some.jsonl"
check "the model answers" table --questions "$tap_folder/some.jsonl"
cp "$tap_folder/table" "$tap_folder/whole"
check "the model answers with weights of 4 bits" table --questions "$tap_folder/some.jsonl" --rtn4
check "with weights of 4 bits all probabilities are different" test "$(grep -c probability "$tap_folder/table")" = "$(diff "$tap_folder/whole" "$tap_folder/table" | grep -c '^>.* probability')"

# protocol.frames limits the paraphrases of a fact. As in a run, it does not limit questions of general ability.
grep '"split":"test"' fixtures/world/general.jsonl | grep '"modality":"text"' | grep '"kind":"choice"' | head -n 12 > "$tap_folder/general.jsonl"
"$PULSE" eval --quiet --model $model --questions "$tap_folder/general.jsonl" --set protocol.frames=1 --answers "$tap_folder/general.answers" > /dev/null 2>&1
check "all questions of general ability are asked, whatever protocol.frames is" test 12 = "$(wc -l < "$tap_folder/general.answers")"

sed 's/iVBOR/?VBOR/' fixtures/mmbench/sample.tsv > "$tap_folder/bad.tsv"
check "a damaged table ends with exit code 2" ends 2 "$PULSE" eval --model $model --questions "$tap_folder/bad.tsv"
check "the error names file and line" grep -qE 'bad.tsv:2: the picture is not base64' <("$PULSE" eval --model $model --questions "$tap_folder/bad.tsv" 2>&1)
printf '{"id": "a", "question": "%s", "answer": "a", "split": "test"}\n' "$(printf 'a %.0s' {1..500})" > "$tap_folder/long.jsonl"
check "a question longer than the model's positions is refused with file and line" grep -qE 'long.jsonl:1: question and answer have [0-9]+ tokens, expected at most [0-9]+ \(max_position' <("$PULSE" eval --model $model --questions "$tap_folder/long.jsonl" 2>&1)
# --memory bounds what is kept between questions (0: nothing, 1 MiB: a question or two, 768 MiB: all), and changes no
# bit. The base model does not know the persons, so it generates the texts token by token.
grep '"split":"test"' fixtures/world/persons.jsonl | head -n 24 | sed "s|\"portraits/|\"$PWD/fixtures/world/portraits/|" > "$tap_folder/persons.jsonl"
kept() { "$PULSE" eval --quiet --model fixtures/models/base --questions "$tap_folder/persons.jsonl" --answers "$tap_folder/kept.$1" --memory "$1" > /dev/null; }
same_kept() { kept 0 && kept 1 && kept 768 && cmp "$tap_folder/kept.0" "$tap_folder/kept.768" && cmp "$tap_folder/kept.1" "$tap_folder/kept.768"; }
check "--memory changes no answer" same_kept
check "--memory is a number of MiB" grep -q 'model.memory is "much", expected a whole number' <("$PULSE" ask --model $model --memory much "a ?" 2>&1)
# Where answers are written.
cp "$tap_folder/long.jsonl" "$tap_folder/one.jsonl" && sed -i 's/\(a \)\{500\}/a /' "$tap_folder/one.jsonl"
ask() { "$PULSE" eval --model $model --questions "$tap_folder/one.jsonl" --answers "$1"; }
check "answers are not written over the questions" ends 2 ask "$tap_folder/one.jsonl"
ln -s target.jsonl "$tap_folder/link.jsonl" && touch "$tap_folder/target.jsonl"
through_link() { ask "$tap_folder/link.jsonl" && [ -L "$tap_folder/link.jsonl" ] && [ -s "$tap_folder/target.jsonl" ]; }
check "a link stays, and its target is written" through_link
mkfifo "$tap_folder/pipe"
no_pipe() { ends 2 ask "$tap_folder/pipe" && [ -p "$tap_folder/pipe" ]; }
check "a pipe is not replaced by a file" no_pipe
finish
