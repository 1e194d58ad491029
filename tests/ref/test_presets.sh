#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which value wins if settings disagree. From strongest to weakest: the method's own section, --set, the config (in any
# order of its lines), the preset's line for the method, its line for all methods, the method's default, the default of
# all methods. --explain names the source of each value. In the checks below, "A overrides B" means that A
# is the stronger one.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
cd "$tap_folder" || exit 2

# explains CONFIG METHOD "key value source" … [-- ARGUMENTS…]: --explain prints these lines, and no line for "-key".
explains() {
    local config=$1 method=$2 line bad=0 lines=()
    shift 2
    while [ $# != 0 ] && [ "$1" != -- ]; do lines+=("$1"); shift; done
    [ $# = 0 ] || shift
    "$PULSE" unlearn --config "$config" --explain --method "$method" "$@" > told 2> told.errors || { cat told.errors; return 1; }
    sed -i -E 's/ +/ /g; s/ $//' told
    for line in "${lines[@]}"; do
        case $line in
        -*) ! grep -qF "${line#-} " told || { echo "there is a line $line"; bad=1; } ;;
        *) grep -qxF "$line" told || { echo "no line $line"; bad=1; } ;;
        esac
    done
    [ $bad = 0 ] || { cat told; return 1; }
}
says() {     # says "sentence" arguments…
    local part=$1
    shift
    ends 2 "$PULSE" unlearn --explain "$@" > told 2>&1 && [ "$(wc -l < told)" = 1 ] && grep -qF -- "$part" told || { cat told; return 1; }
}

printf '[unlearn]\nbeta = 0.3\npreset = open_unlearning\n' > before.ini
printf '[unlearn]\npreset = open_unlearning\nbeta = 0.3\n' > after.ini
printf '[unlearn]\npreset = open_unlearning\n' > alone.ini
check "a preset overrides a method's default" explains alone.ini npo_gd "unlearn.beta 0.1 preset" "unlearn.gamma 1.0 default"
check "the preset's line for the method overrides its line for all methods" explains alone.ini undial "optimiser.lr 0.0001 preset" "unlearn.epochs 10 preset" "unlearn.beta 10.0 preset"
check "without a line for the method, the line for all methods holds" explains alone.ini npo_gd "optimiser.lr 1e-05 preset"
check "a key of the config overrides a preset before it" explains after.ini npo_gd "unlearn.beta 0.3 after.ini"
check "a key of the config overrides a preset after it" explains before.ini npo_gd "unlearn.beta 0.3 before.ini"
check "a preset of --set does not override a key of the config" explains before.ini npo "unlearn.beta 0.3 before.ini" "unlearn.epochs 4 preset" "unlearn.preset umu_bench --set" -- --set unlearn.preset=umu_bench
check "a key of --set overrides the config and the preset" explains before.ini npo_gd "unlearn.beta 0.7 --set" -- --set unlearn.beta=0.7
check "a key of --set overrides a preset of --set in any order of these options" explains alone.ini npo_gd "unlearn.beta 0.7 --set" "unlearn.gamma 1.0 default" -- --set unlearn.beta=0.7 --set unlearn.preset=muse
cat before.ini - > method.ini <<< $'[method.npo_gd]\nunlearn.beta = 0.9'
check "a method's own section overrides the config and the preset" explains method.ini npo_gd "unlearn.beta 0.9 method.ini, [method.npo_gd]"
check "a method's own section holds for no other method" explains method.ini npo_kl "unlearn.beta 0.3 method.ini"
cat alone.ini - > own.ini <<< $'[method.npo]\nunlearn.preset = muse'
check "a method may have a preset of its own" explains own.ini npo "unlearn.preset muse own.ini, [method.npo]" "unlearn.npo_ratio raw_logits preset" "-unlearn.gamma"
check "other methods keep the common preset" explains own.ini npo_gd "unlearn.preset open_unlearning own.ini" "unlearn.npo_ratio sequence_sum default"

check "given steps override the epochs of a preset" explains alone.ini ga "unlearn.steps 7 --set" "unlearn.epochs 0 --set" -- --set unlearn.steps=7
check "given epochs override the steps of a preset" explains alone.ini ga "unlearn.epochs 2 --set" "unlearn.steps 0 --set" -- --set unlearn.preset=pulse --set unlearn.epochs=2
check "a given seed overrides that of a preset" explains alone.ini ga "unlearn.seed 3 --set" -- --set unlearn.preset=clear --set unlearn.seed=3
check "without a given seed, that of the preset holds" explains alone.ini ga "unlearn.seed 42 preset" -- --set unlearn.preset=clear

check "keys of a preset that the method does not read are ignored" explains alone.ini ga "-unlearn.kl_norm" "optimiser.lr 1e-05 preset"
check "in the method's own section such a key is refused" eval 'cat alone.ini - > bad.ini <<< $'"'"'[method.ga]\nunlearn.kl_norm = batch'"'"'; says "ga does not read kl_norm" --config bad.ini --method ga'
no_line="the preset mllmu_bench has no line for o3; only what it sets for all methods holds"
check "a preset without a line for the method is reported" eval 'explains alone.ini o3 "optimiser.lr 2e-05 preset" "unlearn.lambda 0.1 method" -- --set unlearn.preset=mllmu_bench && grep -qF "$no_line" told.errors'
check "a preset with a line for the method is not reported" eval 'explains alone.ini npo_gd && [ ! -s told.errors ]'
check "an unknown preset is refused" says "expected one of pulse, mllmu_bench" --config alone.ini --method ga --set unlearn.preset=none
check "an unknown preset in a method's section is refused too" eval 'cat alone.ini - > bad.ini <<< $'"'"'[method.ga]\nunlearn.preset = none'"'"'; says "none" --config bad.ini --method ga'
finish
