#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref record and verify as a user meets them: exit codes, and what is named.
. tests/support/tap.sh
suite=fixtures/vectors/v1 copy=$tap_folder/copy
cp -r $suite "$copy"

# says CODE PART -- OPERANDS: verify ends with that code and says that.
says() {
    local code=$1 part=$2 text status
    shift 3
    text=$("$PULSE" verify "$@" 2>&1)
    status=$?
    [ $status = "$code" ] && grep -qF -- "$part" <<< "$text" || { echo "status $status: $(head -c 600 <<< "$text")"; false; }
}
# flip FILE: the last bit of the last byte.
flip() {
    local last
    last=$(tail -c 1 "$1" | od -An -tu1)
    truncate -s -1 "$1"
    printf "\\x$(printf %x $((last ^ 1)))" >> "$1"
}

check "recorded answers are what this program makes" says 0 "BITEXACT: " -- $suite
flip "$copy/mask/plain.answer/out.safetensors"
truncate -s -1 "$copy/seq/pulse-npo.original/out.safetensors"
rm "$copy/tok/first/tokenizer.json"
touch "$copy/reject/png/y_new.png"
"$PULSE" verify "$copy" > "$tap_folder/damage" 2>&1
status=$?
named() { [ $status = 2 ] && grep -qF -- "$1" "$tap_folder/damage" || { cat "$tap_folder/damage"; false; }; }
check "a flipped bit is named" named "DAMAGED    mask/plain.answer/out.safetensors: SHA-256"
check "and so is a truncated file" named "DAMAGED    seq/pulse-npo.original/out.safetensors"
check "and one that is missing" named "MISSING    tok/first/tokenizer.json"
check "and one too many" named "EXTRA      reject/png/y_new.png"
check "answers are not judged by damaged ones" says 2 "expected whole reference answers" -- "$copy" "$copy"

mkdir -p "$tap_folder/got/mask/plain.answer"
cp $suite/mask/plain.answer/out.safetensors "$tap_folder/got/mask/plain.answer/"
check "what another implementation leaves out is missing" says 2 "MISSING    prep/crop.wide/out.safetensors" -- $suite "$tap_folder/got"
check "what it gives is judged" says 2 "UNKNOWN: 5 bitexact" -- $suite "$tap_folder/got"
check "those cases alone are judged that are asked for" says 0 "BITEXACT: 5 bitexact" -- $suite "$tap_folder/got" --only mask/plain.answer
check "and all of them" says 2 "MISSING    mask/" -- $suite "$tap_folder/got" --only mask/plain.answer --only mask/
check "nothing of what may be left out is no answer either" says 2 "holds no answer of the selected cases" -- $suite "$tap_folder/got" --only step/
check "cases that are not there cannot be asked for" says 2 "no case begins with nope" -- $suite "$tap_folder/got" --only nope
check "another --only is judged all the same" says 2 "UNKNOWN: 5 bitexact" -- $suite "$tap_folder/got" --only mask/plain.answer --only nope
check "nor some of our own answers" says 2 "expected a file GOT after" -- $suite --only mask/
check "nothing is no answer" says 2 "not there" -- $suite "$tap_folder/none"
sed -i '0,/"spec": "1"/s//"spec": "0"/' "$copy/manifest.json"
check "another spec is refused" says 2 "recorded under spec 0" -- "$copy"
finish
