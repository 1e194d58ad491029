#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A world may mark each test question with a use: "matching" questions may decide when to stop, and "reporting" questions
# are only reported. A run measures each of the two by itself, also at snapshots every N steps.
. tests/support/tap.sh
. tests/ref/run/few.sh
run=$tap_folder/run
# Test questions of the frames (templates) 0, 2 and 4, and every second one without a frame, are for matching, the others
# for reporting.
# Persons with an even number are marked as taught 64 times ("level"), the others as taught 4 times.
for file in persons general; do
    awk '/"split":"train"/ || (FILENAME ~ /general/ ? /"kind":"choice"/ && ++asked % 60 == 1 : ++asked % 40 == 1)' fixtures/world/$file.jsonl |
        awk '!/"split":"test"/ { print; next } { use = /"frame":[024]/ || (!/"frame"/ && ++general % 2) ? "matching" : "reporting"; sub(/\}$/, ",\"use\":\"" use "\"}"); print }' > "$tap_folder/few/$file.jsonl"
done
sed -E 's/("id":"person-[0-9]*[02468]",)/\1"level":64,/; s/("id":"person-[0-9]*[13579]",)/\1"level":4,/' fixtures/world/entities.jsonl > "$tap_folder/few/entities.jsonl"
few+=(--set protocol.frames=0 --set protocol.scenarios=finetuned --set protocol.snapshot_every=2 --set steps.finetuned=5)
forgotten() { grep '"split":"unlearn"' "$tap_folder/few/entities.jsonl" | cut -d'"' -f4 | sort; }
# asked USE: how many open questions about forgotten persons have this use.
asked() { grep '"split":"test"' "$tap_folder/few/persons.jsonl" | grep "\"use\":\"$1\"" | grep '"kind":"open"' | grep -oE '"entity":"[^"]*"' | cut -d'"' -f4 | sort | join - <(forgotten) | wc -l; }
rows() { grep -cE "$1" "$run/$2"; }
total() { grep -E "^finetuned,ga,[^,]*,1,$1,both,accuracy," "$run/results.csv" | cut -d, -f10; }
check "the run is done" few_run --out "$run"
check "the forgotten are measured on as many matching questions as there are" [ "$(total unlearn_matching)" = "$(asked matching)" ]
check "the forgotten are measured on as many reporting questions as there are" [ "$(total unlearn_reporting)" = "$(asked reporting)" ]
check "there are matching questions and reporting questions" [ "$(asked matching)" -gt 0 -a "$(asked reporting)" -gt 0 ]
check "matching and reporting questions are all that is asked about the forgotten" [ $(($(asked matching) + $(asked reporting))) = "$(total unlearn)" ]
check "general ability is measured on all questions and, apart, on the half that is for reporting" [ $(($(total general_reporting) * 2)) = "$(total general)" ]
check "the reporting questions of the two levels of exposure add up to all of them" [ $(($(total exposure64_reporting) + $(total exposure4_reporting))) = "$(asked reporting)" ]
check "the matching questions of the two levels of exposure add up to all of them" [ $(($(total exposure64_matching) + $(total exposure4_matching))) = "$(asked matching)" ]
check "the log-odds of the right option are given beside general ability" [ "$(rows ',general_reporting,both,log_odds,-?[0-9]+\.[0-9e-]+,' results.csv)" = 2 ]
check "snapshots are two steps apart, and the last step has one too" [ "$(tail -n +2 "$run/trajectory.csv" | cut -d, -f6 | sort -un | xargs)" = "2 4 5" ]
check "each snapshot has its log-odds" [ "$(rows ',general_reporting,both,log_odds,-?[0-9]+\.[0-9e-]+,' trajectory.csv)" = 3 ]
sed -i 's/"use":"matching"/"use":"reporting"/' "$tap_folder/few/persons.jsonl"
check "a world whose questions about the forgotten are all for reporting is refused" eval '! few_run --out "$tap_folder/none" 2> "$tap_folder/wrong" && grep -q "no test question belongs to the split unlearn_matching" "$tap_folder/wrong"'
finish
