#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program as a user meets it: its help, its exit codes and its error messages.
. tests/support/tap.sh
printed=$tap_folder/out wrong=$tap_folder/wrong
commands=$(sed -nE 's/^COMMAND\(([a-z_]+),.*/\1/p' ref/commands.def)

# speaks CODE "part" arguments…: ends with CODE; nothing on stdout; one line on stderr, "pulse-ref: … part …".
speaks() {
    local code=$1 part=$2
    shift 2
    ends "$code" "$PULSE" "$@" > "$printed" 2> "$wrong" || { cat "$printed"; return 1; }
    [ ! -s "$printed" ] || { echo "stdout: $(cat "$printed")"; return 1; }
    [ "$(wc -l < "$wrong")" = 1 ] && grep -q '^pulse-ref: ' "$wrong" && grep -qF -- "$part" "$wrong" || { cat "$wrong"; return 1; }
}
is_json() { "$PULSE" "$@" | python3 -c 'import json, sys; json.load(sys.stdin)'; }
helps() { "$PULSE" "$1" --help > "$printed" && grep -q "^usage: pulse-ref $1" "$printed"; }
full_disk() { [ -e /dev/full ] && ends 2 "$PULSE" "$@" > /dev/full 2> "$wrong" && [ "$(wc -l < "$wrong")" = 1 ]; }

check "the list of commands is read" test -n "$commands"
check "--version names version and spec" grep -qE '^pulse-ref [0-9.]+ \(spec [0-9]+\)$' <("$PULSE" --version)
for command in $commands; do
    check "--help lists $command" grep -qE "^  $command +[^ ]" <("$PULSE" --help)
    check "$command --help shows its usage" helps "$command"
    check "$command -h says the same" cmp "$printed" <("$PULSE" "$command" -h)
    check "$command refuses an unknown option" speaks 2 "--no-such-option" "$command" --no-such-option
    check "$command refuses --threads 0" speaks 2 "--threads 0 is out of range" "$command" --threads 0
    for path in $("$PULSE" "$command" --help | sed -nE 's/^  (--[a-z]+) (DIR|FILE) .*/\1/p'); do
        check "$command refuses an empty $path" speaks 2 "$path is empty, expected a f" "$command" "$path" ""
    done
    check "$command refuses --threads without a value" speaks 2 "needs a value" "$command" --threads
    check "$command is in the man page" grep -qE "^\.(B|BR) .*\b$command\b" ref/pulse-ref.1
done
# Help is full sentences (each begins with a capital and ends with a full stop), on lines of 120 columns at most.
narrow_help() { "$PULSE" "$@" --help | LC_ALL=C.UTF-8 awk 'length > 120 { print; bad = 1 } END { exit bad || NR < 7 }'; }
sentences() { sed -nE 's/^COMMAND\([a-z]+, .*, "([^"]*)"\)$/\1/p' ref/commands.def | grep -vE '^[A-Z].*\.$'; "$PULSE" "$1" --help | sed -nE 's/^  (-h, |)--[a-z0-9]+ [^ ]* +(.*)/\2/p' | grep -v '^[A-Z]'; }
# The usage line names every option of the table that --help prints, and no other.
usage_lists() {
    "$PULSE" "$1" --help | sed -n '1,/^[A-Z]/p' | sed '$d' | grep -oE -- '--[a-z0-9-]+' | sort -u > "$printed"
    "$PULSE" "$1" --help | sed -nE 's/^  (--[a-z0-9-]+) .*/\1/p' | sort -u | diff - "$printed"
}
for command in $commands; do
    check "the usage line of $command lists all of its options" usage_lists "$command"
done
for command in "" $commands; do
    check "pulse-ref $command --help is at most 120 columns wide" narrow_help $command
    [ -z "$command" ] || check "each help text of $command is a full sentence" test -z "$(sentences $command)"
done
check "-h is --help" cmp <("$PULSE" -h) <("$PULSE" --help)
check "one argument is reported as \"1 argument was given\"" speaks 2 "1 argument was given" compare a
check "eval without a config asks the shipped world" speaks 2 "nowhere/config.json" eval --model nowhere
# fits "words": on a terminal of 100 columns no line is longer than that, except usage lines.
fits() { script -qec "stty cols 100; '$PULSE' $1" /dev/null | tr -d '\r' | LC_ALL=C.UTF-8 awk '/^usage:/ { next } length > 100 { print; bad = 1 } END { exit bad || NR < 10 }'; }
# If the program `script` is missing, or no pseudo-terminal can be made (in a bare chroot), these checks are skipped.
terminal=
script -qec true /dev/null > /dev/null 2>&1 && terminal=yes
for words in --help "eval --help" "list methods" "list config"; do
    if [ -n "$terminal" ]; then
        check "$words fits a narrow terminal" fits "$words"
    else
        skip "$words fits a narrow terminal" "no terminal can be made"
    fi
done
# The first line of a run, before any stage is done, has the count and the stage, but no guess of the remaining time.
starts() {
    script -qc "'$PULSE' run fixtures/configs/smoke.ini --out '$tap_folder/started'" /dev/null > "$tap_folder/first" 2> /dev/null &
    local process=$! found=1
    for _ in $(seq 300); do
        grep -qE 'run 0/[0-9]+  [a-z]+/' "$tap_folder/first" && found=0 && break
        sleep 0.1
    done
    kill $process
    wait $process
    return $found
}
if [ -n "$terminal" ]; then
    check "a run that has just begun shows no remaining time" starts
else
    skip "a run that has just begun shows no remaining time" "no terminal can be made"
fi
check "a call without a command is refused" speaks 2 "expected one of"
check "an unknown command is refused" speaks 2 "there is no command strolch" strolch
check "an unknown list is refused" speaks 2 "there is no list nothing" list nothing
for words in "list ops" "list ops --json" --help --version; do
    check "$words: output that cannot be written is an error, reported in one line" full_disk $words
done
check "control characters in a file's name are not printed" speaks 2 "no?such??[31mfolder" report $'no\nsuch\r\e[31mfolder'
# A preloaded library may ask for a signal at every NaN. A build with sanitizers is left out, because their library must
# be loaded first.
trapped() { cmp <(LD_PRELOAD=$tap_folder/trap.so "$PULSE" digest) <("$PULSE" digest); }
printf '#define _GNU_SOURCE\n#include <fenv.h>\n__attribute__((constructor)) static void trap(void) { feenableexcept(FE_INVALID | FE_DIVBYZERO); }\n' > "$tap_folder/trap.c"
if [ "${PULSE#*san}" = "$PULSE" ] && ${CC:-cc} -shared -fPIC -o "$tap_folder/trap.so" "$tap_folder/trap.c" -lm 2> /dev/null; then
    check "a preloaded library that traps NaNs changes no answer" trapped
else
    skip "a preloaded library that traps NaNs changes no answer" "no compiler, or a sanitizer must be loaded first"
fi
# A text may begin with a dash. A word that is neither an option nor a text is refused by name, wherever it is.
model=fixtures/models/vanilla
asks() { "$PULSE" ask --quiet --model $model "$@" > "$printed" 2> "$wrong" && [ -s "$printed" ] && [ ! -s "$wrong" ]; }
for question in "-1 + 2 ?" "-5" "-- what is this ?" "--what is the capital of france ?" "- a list"; do
    check "ask takes the question $question" asks "$question"
    cp "$printed" "$tap_folder/plain"
    check "ask takes the question $question after -- too" asks -- "$question"
    check "ask gives $question the same answer with and without --" cmp "$printed" "$tap_folder/plain"
done
check "a question that begins with a dash may stand before the options" asks "-1 + 2 ?" --threads 1
check "without --quiet a note says that the word is taken as a text" grep -qF -- "-1 + 2 ? is taken as a text" <("$PULSE" ask --model $model "-1 + 2 ?" 2>&1 > /dev/null)
check "an unknown one-letter option is named, not the word before it" speaks 2 "ask: -x is not an option" ask --model $model -x
check "an unknown option of two letters is named" speaks 2 "compare: -ab is not an option" compare a -ab
check "an unknown option with a value is not a text" speaks 2 "--no-such=a b is not an option" ask --model $model "--no-such=a b"
check "an option may have a blank in its value" speaks 2 "no model/config.json" ask "--model=no model" "a ?"
# A command first tries whether its files can be written. If a file cannot be written in the end, the command still
# prints what it computed.
one=$tap_folder/one.jsonl
printf '{"id": "a", "question": "what is the capital of france ?", "answer": "paris", "split": "test"}\n' > "$one"
touch "$tap_folder/file"
early() { speaks 2 "$tap_folder/file" "$@"; }
check "eval says first that its answers cannot be written" early eval --model nowhere --questions "$one" --answers "$tap_folder/file/answers.jsonl"
check "trace says first that its folder cannot be made" early trace --model nowhere --batch "$one" --method ga --out "$tap_folder/file/trace"
check "record says before it computes that its folder cannot be made" early record "$tap_folder/file/vectors"
check "unlearn says before it reads the model that its folder cannot be made" early unlearn --config fixtures/configs/smoke.ini --model nowhere --out "$tap_folder/file/out"
check "train says before it reads the samples that its folder cannot be made" early train --config fixtures/configs/finetune.ini --out "$tap_folder/file/out"
check "run says before its first stage that its folder cannot be made" early run fixtures/configs/smoke.ini --out "$tap_folder/file/out"
check "report says that its folder cannot be read" early report "$tap_folder/file/out"
made() { "$PULSE" eval --model $model --questions "$one" --answers "$tap_folder/new/folder/answers.jsonl" > /dev/null && [ -s "$tap_folder/new/folder/answers.jsonl" ]; }
check "the folder of the answers is made" made
# `ulimit -f 0` acts as a full disk: no byte of the answers can be written. The table goes through a pipe.
full() { (ulimit -f 0; "$PULSE" eval --quiet --model $model --questions "$one" --answers "$tap_folder/full.jsonl" "$@" 2> >(cat > "$wrong"); echo "$?") | cat > "$printed"; }
keeps() { full "$@"; [ "$(tail -n 1 "$printed")" = 2 ] && grep -q accuracy "$printed" && [ ! -e "$tap_folder/full.jsonl" ]; }
check "on a full disk the answers are lost, but the table is printed" keeps
check "on a full disk the table as JSON is printed too" keeps --json
traces() { (ulimit -f 0; "$PULSE" trace --model fixtures/vectors/v1/models/tiny-llava-b --batch fixtures/vectors/v1/models/tiny-llava-b/batch.jsonl --method ga --out "$tap_folder/full" "$@" 2> >(cat > "$wrong"); echo "$?") | cat > "$printed"
    [ "$(tail -n 1 "$printed")" = 2 ] && grep -q loss "$printed"; }
check "on a full disk the loss of a trace is printed too" traces
check "on a full disk the loss of a trace as JSON is printed too" traces --json
check "the doctor finds this machine fit" ends 0 "$PULSE" doctor
if command -v python3 > /dev/null; then
    check "doctor --json is JSON" is_json doctor --json
    check "list ops --json is JSON" is_json list ops --json
    check "list config --json is JSON" is_json list config --json
else
    skip "doctor and list print JSON" "python3 is not installed"
fi
# With too little address space OpenBLAS would wait for memory forever. So in that case the built-in kernel
# computes the products, and the doctor says so. (Sanitizers need more than 300 MB for themselves.)
narrow() { (ulimit -v 300000; "$PULSE" doctor) | grep -q 'address space' && narrow_products | cmp - <("$PULSE" digest products); }
narrow_products() { (ulimit -v 300000; PULSE_BLAS=always timeout 60 "$PULSE" digest products); }
if "$PULSE" doctor 2> /dev/null | grep -q '^engine  *openblas' && (ulimit -v 300000; "$PULSE" --version > /dev/null 2>&1); then
    check "with too little address space the built-in kernel gives the same digest" narrow
else
    skip "with too little address space the built-in kernel gives the same digest" "another engine, or a program that needs more at its start"
fi
too_many() { ends 2 env OMP_NUM_THREADS="$1" timeout 20 "$PULSE" digest products 2> "$tap_folder/wrong" && grep -q "$1 threads" "$tap_folder/wrong"; }
check "forty thousand threads are refused" too_many 40000
check "a hundred thousand threads are refused" too_many 100000
finish
