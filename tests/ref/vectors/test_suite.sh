#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref verify as a user meets it: exit codes, and which files and cases it names.
. tests/support/tap.sh
suite=fixtures/vectors/v1 copy=$tap_folder/copy
cp -r $suite "$copy"

# says CODE PART -- OPERANDS: verify ends with CODE and prints PART.
says() {
    local code=$1 part=$2 text status
    shift 3
    text=$("$PULSE" verify "$@" 2>&1)
    status=$?
    [ $status = "$code" ] && grep -qF -- "$part" <<< "$text" || { echo "status $status: $(head -c 600 <<< "$text")"; false; }
}
# flip FILE: flips the last bit of the last byte.
flip() {
    local last
    last=$(tail -c 1 "$1" | od -An -tu1)
    truncate -s -1 "$1"
    printf "\\x$(printf %x $((last ^ 1)))" >> "$1"
}

check "this program makes the recorded answers again" says 0 "BITEXACT: " -- $suite
flip "$copy/mask/plain.answer/out.safetensors"
truncate -s -1 "$copy/seq/pulse-npo.original/out.safetensors"
rm "$copy/tok/first/tokenizer.json"
touch "$copy/reject/png/y_new.png"
"$PULSE" verify "$copy" > "$tap_folder/damage" 2>&1
status=$?
named() { [ $status = 2 ] && grep -qF -- "$1" "$tap_folder/damage" || { cat "$tap_folder/damage"; false; }; }
check "a flipped bit is named" named "DAMAGED    mask/plain.answer/out.safetensors: SHA-256"
check "a truncated file is named" named "DAMAGED    seq/pulse-npo.original/out.safetensors"
check "a missing file is named" named "MISSING    tok/first/tokenizer.json"
check "an additional file is named" named "EXTRA      reject/png/y_new.png"
check "nothing is judged by damaged reference answers" says 2 "expected whole reference answers" -- "$copy" "$copy"

mkdir -p "$tap_folder/got/mask/plain.answer"
cp $suite/mask/plain.answer/out.safetensors "$tap_folder/got/mask/plain.answer/"
check "answers that another implementation leaves out are reported as missing" says 2 "MISSING    prep/crop.wide/out.safetensors" -- $suite "$tap_folder/got"
check "the answers that another implementation gives are judged" says 2 "UNKNOWN: 5 bitexact" -- $suite "$tap_folder/got"
check "--only selects the cases that are judged" says 0 "BITEXACT: 5 bitexact" -- $suite "$tap_folder/got" --only mask/plain.answer
check "every selected case must be answered" says 2 "MISSING    mask/" -- $suite "$tap_folder/got" --only mask/plain.answer --only mask/
check "no answer at all is an error, even for optional cases" says 2 "holds no answer of the selected cases" -- $suite "$tap_folder/got" --only step/
check "--only with an unknown case is an error" says 2 "no case begins with nope" -- $suite "$tap_folder/got" --only nope
check "answers of one --only are judged although no case begins with another --only" says 2 "UNKNOWN: 5 bitexact" -- $suite "$tap_folder/got" --only mask/plain.answer --only nope
check "--only is refused for our own answers" says 2 "expected a file GOT after" -- $suite --only mask/
check "a folder that is not there is refused" says 2 "not there" -- $suite "$tap_folder/none"
sed -i '0,/"spec": "1"/s//"spec": "0"/' "$copy/manifest.json"
check "another spec is refused" says 2 "recorded under spec 0" -- "$copy"
finish
