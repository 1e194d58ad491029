#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is stated in two places must agree: digests, steps, stages and counts on the pages with those of the program, of
# the shipped models and of the configs; the known mistakes on the pages with those of the recorded cases; the fuzz
# targets on the pages with fuzz_targets.def; and the preset pulse with the configs.
BUILD=${BUILD:-build} PULSE=${PULSE:-$BUILD/pulse-ref}
. tests/support/tap.sh
page=REPRODUCE.md findings=docs/findings.md measured=docs/methods-measured.md

digest=$("$PULSE" digest | sed -n '$s/^total *\(.\{16\}\).*/\1/p')
# other_digests PAGE: the digests of tables and matrix rows on the page that are not this program's.
other_digests() { sed -nE 's/^\| .*`[0-9a-f]{16}` \| `([0-9a-f]{16})` \|$/\1/p; s/^(processors|engines|cores|threads|compilers|levels) .* ([0-9a-f]{16}) +same$/\2/p' "$1" | grep -vx "$digest"; }
check "README.md's table has the digest of this program, and no other" test -n "$digest" -a -z "$(other_digests README.md)" -a "$(grep -c "$digest" README.md)" -ge 5
check "the matrix of REPRODUCE.md has the digest of this program, and no other" test -z "$(other_digests "$page")" -a "$(grep -c "$digest" "$page")" -ge 20
# What the pages say about the shipped models and their trainings.
size=$(stat -c %s fixtures/models/base/model.safetensors) header=$(od -An -t u8 -N 8 fixtures/models/base/model.safetensors)
steps() { sed -n 's/^steps *= *//p' "fixtures/configs/$1.ini"; }
thousands() { sed -E ':again; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; t again' <<< "$1"; }
check "$findings has the steps and the parameters of the base model" \
    grep -qF "fixtures/models/base\` ($(thousands "$(steps pretrain)") steps, $(thousands $(((size - 8 - header) / 4))) parameters)" $findings
check "$findings has the steps of the vanilla model and of the oracle" test \
    "$(grep -cE "fixtures/models/vanilla\` \($(steps finetune) steps|fixtures/configs/oracle.ini\`, $(steps oracle) steps" $findings)" = 2
long_lines() { for list in ops methods presets grids metrics scenarios rules config bounds; do "$PULSE" list $list | awk -v l=$list 'length > 120 { print l ": " $0 }'; done; }
check "no list that is printed for people has a line of over 120 columns" test -z "$(long_lines)"

# Budgets. steps_line CONFIG SCENARIO: the steps that this config of fixtures/configs/ gives in this scenario, as it
# writes them: "50 ga_klr=125" is 50, but 125 for ga_klr. steps_of CONFIG SCENARIO METHOD: those of one method.
steps_line() { sed -n "/^\[steps\]/,/^\[[^s]/s/^$2 *= *//p" "fixtures/configs/$1.ini"; }
steps_of() {
    local word all= own=
    for word in $(steps_line "$1" "$2"); do
        case $word in "$3"=*) own=${word#*=} ;; *=*) ;; *) all=$word ;; esac
    done
    echo "${own:-$all}"
}
check "full.ini and methods.ini give the same steps in the scenario finetuned" \
    test "$(steps_line full finetuned)" = "$(steps_line methods finetuned)"
check "pulse.ini and findings.ini give the same steps in the scenario finetuned" \
    test "$(steps_line pulse finetuned)" = "$(steps_line findings finetuned)"
# preset METHOD: the steps that the preset pulse gives this method; "*": all methods without a line of their own.
preset() {
    awk -v begin="PRESET(pulse, \"$1\"," 'index($0, begin) == 1 { on = 1 } on { text = text $0 } on && /\)$/ { print text; exit }' unlearn/presets.def |
        sed -n 's/.*unlearn\.steps=\([0-9]*\).*/\1/p'
}
check "the preset pulse has the steps of pulse.ini in the scenario finetuned" \
    test "$(preset '*') ga_klr=$(preset ga_klr)" = "$(steps_line pulse finetuned)"
# The methods that take steps; methods.ini has all methods.
methods_with_steps() { sed -nE 's/^METHOD\((.*)\)/\1/p' unlearn/methods.def | grep -vxE 'retrain|manu'; }
check "methods.ini has all methods" grep -qE '^methods *= all$' fixtures/configs/methods.ini
in_preset() { methods_with_steps | while read -r method; do own=$(preset "$method"); echo "$method ${own:-$(preset '*')}"; done; }
in_config() { methods_with_steps | while read -r method; do echo "$method $(steps_of methods finetuned "$method")"; done; }
check "the preset pulse has the steps of methods.ini for each method" diff <(in_preset) <(in_config)
check "methods.ini and full.ini change no setting of the preset pulse, except that the method adapters does not merge" test "$(cat fixtures/configs/{methods,full}.ini |
    grep -E -A 1 '^\[(optimiser|lora|train|data|method)')" = $'[method.adapters.unlearn]\nmerge = no'
check "pulse.ini changes no setting of the preset pulse" test -z "$(grep -E '^\[(optimiser|lora|train|data|method)' fixtures/configs/pulse.ini)"
steps_on_page() { sed -n '/^## One request/,/^Some published/p' $measured | sed -nE 's/^\| ([a-z0-9_]+) \| [^|]* \| ([0-9]+) \|.*/\1 \2/p'; }
steps_in_config() { steps_on_page | while read -r method _; do echo "$method $(steps_of methods finetuned "$method")"; done; }
check "$measured has the steps of methods.ini" diff <(steps_on_page) <(steps_in_config)
check "$measured has a line for each method that takes steps" test "$(steps_on_page | wc -l)" = "$(methods_with_steps | wc -l)"

# Counts on the pages that follow from the plans, the list of fuzz targets and the recorded answers.
planned() {
    [ "$("$PULSE" run "fixtures/configs/$1.ini" --plan 2> /dev/null | wc -l)" = "$2" ] &&
        tr '\n' ' ' < "$3" | grep -qE "fixtures/configs/$1.ini[^|]* $2 stages"
}
for run in findings:269:$findings full:488:$measured; do
    IFS=: read -r name stages where <<< "$run"
    if [ -e build/world/oracle.jsonl ]; then
        check "$where has the stages of $name.ini" planned "$name" "$stages" "$where"
    else
        skip "$where has the stages of $name.ini" "make world has not made its streams"
    fi
done
targets=$(grep -c '^TARGET(' tests/fuzz/fuzz_targets.def)
check "REPRODUCE.md and CHANGELOG.md have the number of fuzz targets" \
    test "$(grep -l "fuzz_targets.def\`*, $targets targets\|($targets, \`tests/fuzz/fuzz_targets.def" "$page" CHANGELOG.md | wc -l)" = 2
untried() {
    sed -nE 's/^TARGET\(([a-z_]+)\).*/\1/p' tests/fuzz/fuzz_targets.def | while read -r name; do
        grep -qE "^\| (100 or more|fewer) \|.*[ \`]$name [0-9]" "$page" || echo "$name"
    done
}
check "REPRODUCE.md says how many inputs each fuzz target has seen" test -z "$(untried)"
glossary=docs/mistakes.md vectors=fixtures/vectors/v1
glossary_mistakes() {
    sed -n '/^## Glossary/,/^At fp32/p' "$glossary" | sed -nE 's/^\| ([A-Z][A-Za-z0-9, ]*) \|.*/\1/p' | tr -d ' ' | tr ',' '\n' | sort
}
hidden_on_page() { sed -n '/^bf16 autocast/p' "$glossary" | grep -oE '\b[A-Z][a-z]+[A-Z0-9][A-Za-z0-9]*' | sort; }
if command -v python3 > /dev/null; then
    recorded_mistakes() { python3 -c 'import glob, json, sys
cases = map(open, glob.glob(sys.argv[1] + "/*/*/case.json"))
print("\n".join(sorted({flag for case in cases for flag in json.load(case).get("flags", [])})))' "$vectors"; }
    hidden_in_manifest() { python3 -c 'import json, sys
manifest = json.load(open(sys.argv[1] + "/manifest.json"))
print("\n".join(sorted({name.split("@")[1] for name in manifest["below"]["bf16-mixed"]})))' "$vectors"; }
    check "the glossary of docs/mistakes.md has the known mistakes of the recorded cases" diff <(recorded_mistakes) <(glossary_mistakes)
    check "docs/mistakes.md lists the mistakes that bf16 autocast hides" diff <(hidden_in_manifest) <(hidden_on_page)
else
    skip "the glossary of docs/mistakes.md has the known mistakes of the recorded cases" "there is no python3"
fi
finish
