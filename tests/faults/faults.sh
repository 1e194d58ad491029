#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# faults.sh BUILD SECONDS [SEED [MOST]]: fails, cuts or kills the n-th system call of each kind, and fails the n-th allocation, of small commands,
# one at a time, for SECONDS (0: every one of them) and at most MOST of them, in an order that SEED shuffles. What must hold after each:
#   the exit code, standard output and all files are those of an undisturbed run;
#   or it is 2, standard error ends with a sentence, and --resume makes the files of an undisturbed run;
#   or the command was killed, and --resume does so.
# No half-written file stands under its own name. Prints what did not hold; the last line is "N faults, F wrong". Exit code 0: F = 0.
set -u
build=$(realpath "$1") seconds=$2 seed=${3:-1} most=${4:-0}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive LC_ALL=C
pulse=$build/pulse-ref
awk -v at="$PWD/fixtures/world/" 'NR % 300 == 1 { sub(/"image":"/, "&" at); print }' fixtures/world/known_persons.jsonl > "$work/few.jsonl"
cat > "$work/c.ini" <<INI
[data]
world  = $PWD/fixtures/world
stream = $work/few.jsonl
order  = shuffle
batch  = 2
[model]
config = $PWD/fixtures/world/config.json
[train]
steps      = 3
save_every = 1
INI
for case in fixtures/vectors/v1/loss/npo.*; do
    mkdir -p "$work/got/loss/${case##*/}" && cp "$case/out.safetensors" "$work/got/loss/${case##*/}"
done
commands=(train ask verify)
words() {                                          # of command $1 into folder $2
    case $1 in
    train)  line=("$pulse" train --config "$work/c.ini" --out "$2" --quiet) ;;
    ask)    line=("$pulse" ask --model fixtures/models/vanilla "what is the capital of france ?" --json) ;;
    verify) line=("$pulse" verify fixtures/vectors/v1 "$work/got" --only loss/npo.) ;;
    esac
}
# Whether standard output $3 and folder $2 are those of the undisturbed command $1.
same() {
    cmp -s "$3" "$work/$1.stdout" || return 1
    [ "$1" != train ] || diff -qr -x '*.part-*' "$work/$1.out" "$2" > /dev/null
}
resumed() {                                        # of a training alone: the others leave nothing
    [ "$1" = train ] || return 0
    words train "$2"
    "${line[@]}" --resume > "$work/again" 2>&1 && diff -qr "$work/train.out" "$2" > /dev/null
}
for c in "${commands[@]}"; do
    words "$c" "$work/$c.out"
    "${line[@]}" > "$work/$c.stdout" 2> "$work/stderr"
    echo $? > "$work/$c.want"
    words "$c" "$work/count"
    "$build/fault_call" write 0 fail "${line[@]}" 2>&1 > /dev/null | sed -n 's/^calls: //p' | while read -r kind n; do
        for k in $(seq 1 "$n"); do
            for action in fail kill; do echo "$c $kind $k $action"; done
            [ $kind != write ] || echo "$c $kind $k tear"
            [ $kind != write ] && [ $kind != read ] || echo "$c $kind $k cut"
        done
    done
    rm -rf "$work/count"
    PULSE_FAULT_ALLOC=0 PULSE_FAULT_COUNT=$work/allocations LD_PRELOAD=$build/fault_alloc.so "${line[@]}" > /dev/null 2>&1
    rm -rf "$work/count"
    seq -f "$c alloc %.0f fail" 1 "$(cat "$work/allocations")"
done | shuf --random-source=<(yes "$seed") > "$work/all"

one() {                                            # command kind n action
    rm -rf "$work/out"
    words "$1" "$work/out"
    if [ "$2" = alloc ]; then
        PULSE_FAULT_ALLOC=$3 LD_PRELOAD=$build/fault_alloc.so timeout 60 "${line[@]}" > "$work/stdout" 2> "$work/stderr"
    else
        timeout 60 "$build/fault_call" "$2" "$3" "$4" "${line[@]}" > "$work/stdout" 2> "$work/stderr"
    fi
    status=$?
    [ "$status" != "$(cat "$work/$1.want")" ] || ! same "$1" "$work/out" "$work/stdout" || return 0
    case $status in
    2)   grep -q '^pulse-ref: .\{12\}' "$work/stderr" && resumed "$1" "$work/out" ;;
    137) [ "$4" = kill ] || [ "$4" = tear ] && resumed "$1" "$work/out" ;;
    *)   false ;;
    esac
}
begun=$SECONDS count=0 wrong=0
while read -r c kind n action; do
    [ "$seconds" = 0 ] || [ $((SECONDS - begun)) -lt "$seconds" ] || break
    [ "$most" = 0 ] || [ "$count" -lt "$most" ] || break
    count=$((count + 1))
    one "$c" "$kind" "$n" "$action" && continue
    wrong=$((wrong + 1))
    echo "wrong: $c $kind $n $action: exit code $status; $(tail -n 1 "$work/stderr" | cut -c 1-200); resumed: $(tail -n 1 "$work/again" 2> /dev/null | cut -c 1-200)"
done < "$work/all"
echo "$(wc -l < "$work/all") possible"
echo "$count faults, $wrong wrong"
[ "$wrong" = 0 ] && [ "$count" -gt 0 ]
