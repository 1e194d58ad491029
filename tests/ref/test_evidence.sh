#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref evidence turns the tables of runs into those of a base model, and the tables of bases into verdicts.
. tests/support/tap.sh
prereg=$tap_folder/prereg.ini runs=$tap_folder/runs findings=$tap_folder/findings
cat > "$prereg" <<'INI'
[registration]
bases          = 2
seeds          = 1, 2
methods        = ga, npo
levels         = 0.6, 0.2
widest         = 0.12
snapshot_every = 5
order          = F2
[arm E]
run       = early
model     = model-E
scenario  = placed
trainable = proj+llm
steps     = 10 npo=12
matching  = unlearn_matching
reporting = unlearn_reporting
[arm one]
run       = early
model     = model-E
scenario  = finetuned
trainable = proj+llm
steps     = 10
matching  = unlearn_matching
reporting = unlearn_reporting
[arm five]
run       = five-1, five-2
model     = model-E
scenario  = sequential
trainable = proj+llm
steps     = 5, 10
matching  = unlearn_matching
reporting = unlearn_reporting
[finding F2]
says      = Five requests cost more than one
measure   = general
arms      = one, five
threshold = 0
delta     = 0.05
paper     = more
measured  = next to nothing
INI
evidence() { "$PULSE" evidence "$@" --prereg "$prereg"; }
says() { local part=$1; shift; ends 2 "$@" > "$tap_folder/told" 2> "$tap_folder/wrong" && [ "$(wc -l < "$tap_folder/wrong")" = 1 ] && grep -qF -- "$part" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }; }

# rows SCENARIO METHOD ROUND STEP SEED KNOWN GENERAL: one point as rows of trajectory.csv. The accuracy of what is to be
# forgotten is KNOWN, but KNOWN - .1 with pictures; general ability is GENERAL.
rows() {
    local split modality value
    for split in unlearn_matching unlearn_reporting general_reporting; do
        for modality in image text both; do
            value=$6
            [ $modality != image ] || value=$(awk "BEGIN { print $6 - .1 }")
            [ $split != general_reporting ] || value=$7
            echo "$1,$2,proj+llm,$3,1,$4,$split,$modality,accuracy,$value,,,$5"
        done
    done
    echo "$1,$2,proj+llm,$3,1,$4,general_reporting,both,log_odds,1.5,,,$5"
}
# table RUN SCENARIO: a run of both seeds, from lines "METHOD ROUND STEP KNOWN GENERAL". The METHOD "none" stands for
# the model before unlearning.
table() {
    mkdir -p "$runs/$1"
    [ -f "$runs/$1/results.csv" ] || { echo scenario,method,trainable,round,split,modality,metric,value,count,total,seed > "$runs/$1/results.csv"
        echo scenario,method,trainable,round,epoch,step,split,modality,metric,value,count,total,seed > "$runs/$1/trajectory.csv"; }
    while read -r method round step known general; do
        for seed in 1 2; do
            if [ "$method" = none ]; then rows "$2" none 0 0 $seed "$known" "$general" | cut -d, -f1-4,7- >> "$runs/$1/results.csv"
            else rows "$2" "$method" "$round" "$step" $seed "$known" "$general" >> "$runs/$1/trajectory.csv"; fi
        done
    done
    echo '{"entries": [{"version": "0.1.0", "spec": "1", "config": "abc"}, {"results": {}, "link": "0123456789abcdef"}]}' > "$runs/$1/manifest.json"
}
# both: the lines of the file "lines" once for each method, with its name in place of the letter m.
both() { for method in ga npo; do sed "s/^m /$method /" "$tap_folder/lines"; done; }
printf 'none 0 0 1 0.9\n' | tee "$tap_folder/before" | table early placed
printf 'm 1 5 0.5 0.8\nm 1 10 0.1 0.6\n' > "$tap_folder/lines"
{ both; echo npo 1 12 0.1 0.5; } | table early placed
{ cat "$tap_folder/before"; both; } | table early finetuned
printf 'm 1 1 0.9 0.9\nm 5 1 0.5 0.6\n' > "$tap_folder/lines"; { cat "$tap_folder/before"; both; } | table five-1 sequential
printf 'm 1 2 0.5 0.6\nm 5 2 0.1 0.2\n' > "$tap_folder/lines"; { cat "$tap_folder/before"; both; } | table five-2 sequential

check "the seeds are those of the definition" [ "$(evidence seeds | tail -n 1)" = "2 $({ cat "$prereg"; printf 'base 2'; } | sha256sum | cut -c 1-16)" ]
check "each run appears once" [ "$(evidence runs models | cut -d' ' -f1 | xargs)" = "early five-1 five-2" ]
check "a run has the scenarios and the steps of its arms" grep -q -- 'early .*protocol.vanilla=models/model-E .*scenarios=placed,finetuned .*steps.placed=10,npo=12 --set steps.finetuned=10$' <(evidence runs models)
check "the command run accepts these arguments" "$PULSE" run fixtures/configs/smoke.ini --plan --out "$tap_folder/plan" $(evidence runs fixtures/models | sed -n 's/^five-1 //p; ' | sed 's#fixtures/models/model-E#../models/vanilla#g')
sed 's/^trainable = proj+llm$/trainable = llm\nset = unlearn.subspace=@\/adapter-L/' "$prereg" > "$tap_folder/set.ini"
check "the trained modules and further settings follow; @ is the folder of the models" grep -q -- '^five-2 .* --set train.trainable=llm --set unlearn.subspace=models/adapter-L$' <("$PULSE" evidence runs models --prereg "$tap_folder/set.ini")
# unlearn.subspace names an adapter: the digest of a stage that unlearns depends on the adapter's content, not on its
# place. kept prints the digest of such a stage.
cp -r fixtures/models/bases/0/adapter-L "$tap_folder/moved"
cp -r fixtures/models/bases/0/adapter-L "$tap_folder/other" && cp fixtures/models/bases/0/adapter-O/adapter_model.safetensors "$tap_folder/other"
kept() { "$PULSE" run fixtures/configs/smoke.ini --plan --out "$tap_folder/plan" --set train.trainable=llm "$@" | awk '$NF == "finetuned/ga/llm/seed0" { print $1 }'; }
by_content() { local free plain moved other; free=$(kept) plain=$(kept --set unlearn.subspace="$PWD/fixtures/models/bases/0/adapter-L"); moved=$(kept --set unlearn.subspace="$tap_folder/moved")
    other=$(kept --set unlearn.subspace="$tap_folder/other"); [ -n "$free" ] && [ "$plain" = "$moved" ] && [ "$plain" != "$free" ] && [ "$plain" != "$other" ]; }
check "a stage depends on the content of the subspace's adapter, not on its folder" by_content
check "the tables of a base are made from its runs" evidence contrasts "$runs" --out "$findings/base-1"
check "the points before unlearning are those of results.csv" grep -qx 'E,ga,1,0,0.9,1.0,0.9,1.0,0.9,1.5' "$findings/base-1/trajectory.csv"
check "the snapshots are those of trajectory.csv" grep -qx 'E,npo,2,12,0.0,0.1,0.0,0.1,0.5,1.5' "$findings/base-1/trajectory.csv"
check "the ends of several runs make one trajectory" [ "$(grep -c '^five,ga,1,' "$findings/base-1/trajectory.csv")" = 3 ]
check "the steps of this trajectory are counted over all requests" grep -qx 'five,ga,1,10,0.0,0.1,0.0,0.1,0.2,1.5' "$findings/base-1/trajectory.csv"
# What is known, the mean of pictures and text, falls from .95 to .45 and to .05: the level .6 is reached at .7 of the
# first interval, .2 at .625 of the second. There general ability is .83 and .675 in arm one, .69 and .35 in arm five.
# The contrast is the mean of the two differences, .14 and .325.
check "the contrast is the one computed by hand" awk -F, '$1 == "F2" && $2 == "ga" && $3 == 1 { ok = $5 == 1 && ($4 - .2325) ^ 2 < 1e-24 } END { exit !ok }' "$findings/base-1/contrasts.csv"
check "the manifest has the digest of what was registered" grep -q "\"registration\": \"$(sha256sum < "$prereg" | cut -c 1-64)\"" "$findings/base-1/manifest.json"
check "the manifest has the link of each run" [ "$(grep -c '0123456789abcdef' "$findings/base-1/manifest.json")" = 3 ]
check "with one base of two the finding is undecided" grep -qE '^F2 +Undecided: 1 of 2 bases are finished\.' <(evidence verdicts "$findings")
check "base 0 is made" evidence contrasts "$runs" --out "$findings/base-0"
check "base 0 does not count for the verdict" grep -q 'Undecided: 1 of 2' <(evidence verdicts "$findings")
check "base 2 is made" evidence contrasts "$runs" --out "$findings/base-2"
check "two bases decide the finding" grep -q '^F2 *Yes\. Mean and 95 % interval: 0\.233 (0\.233 to 0\.233), p = 0\.5000, 2 bases' <(evidence verdicts "$findings" | tr '\n' ' ' | tr -s ' ')
check "the verdict in JSON is the same" python3 -c 'import json, sys; d = json.load(sys.stdin); f = d["findings"][0]; assert d["finished"] == 2 and f["verdict"] == "yes" and abs(f["mean"] - .2325) < 1e-12 and set(f["methods"]) == {"ga", "npo"}' < <(evidence verdicts "$findings" --json)
check "the verdict in Markdown is the same" grep -qF '| F2 | Five requests cost more than one | Yes. | 0.233 (0.233 to 0.233), p = 0.5000, 2 bases | more | next to nothing |' <(evidence verdicts "$findings" --markdown)

# The page of a run: prereg.ini and the findings are beside the folder of its world. Base 2 is made again, after
# a table of its runs was changed.
site=$tap_folder/site
mkdir -p "$site/world" "$site/configs"
sed -i -E '/,general_reporting,both,accuracy,0\.2,/s/0\.2,/0.1,/' "$runs/five-2/trajectory.csv"
check "base 2 is made again from a changed table" evidence contrasts "$runs" --out "$findings/base-2"
cp "$prereg" "$site/configs" && cp -r "$findings" "$site/findings"
check "a page of a run is made beside the findings" "$PULSE" report "$runs/early" --world "$site/world" --quiet
from_csv() {
    python3 - "$1" "$findings"/base-[12]/contrasts.csv <<'PY'
import csv, math, re, sys
page = re.sub(r"<[^>]*>", "", open(sys.argv[1], encoding="utf-8").read())
def numbers(rows):                       # for two bases: Student's t with one degree of freedom
    d = [sum(x) / len(x) for x in rows]
    half = 12.706204736174705 * abs(d[0] - d[1]) / 2
    return "%.3f (%.3f to %.3f)" % (sum(d) / 2, sum(d) / 2 - half, sum(d) / 2 + half)
tables = [[r for r in csv.DictReader(open(name)) if r["finding"] == "F2"] for name in sys.argv[2:]]
for method in ("ga", "npo", None):
    want = numbers([[float(r["value"]) for r in t if method in (None, r["method"])] for t in tables])
    assert page.count(want) >= 1, (method, want)
shown = re.findall(r"-?\d\.\d{3} \(", page[page.index("The verdicts"):page.index("Measured on")])
assert len(shown) == 3, shown
PY
}
check "the numbers of the page are those of contrasts.csv" from_csv "$runs/early/report.html"
check "the verdict of the page is that of the command" grep -qF "$(evidence verdicts "$findings" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["findings"][0]["words"])')" "$runs/early/report.html"
check "with a forged base no page is made" eval 'echo "F2,ga,1,0.9,1" >> "$site/findings/base-2/contrasts.csv"; says "base-2/contrasts.csv: the SHA-256 of the file is" "$PULSE" report "$runs/early" --world "$site/world"'

check "an unknown word after evidence is refused" says 'there is no "verdict", expected seeds, runs, contrasts or verdicts' evidence verdict "$findings"
check "verdicts without a folder is refused" says 'no folder was given' evidence verdicts
check "contrasts without --out are refused" says '--out was not given' evidence contrasts "$runs"
check "a folder that is not a base is refused" says 'expected a name from base-0 to base-2' evidence contrasts "$runs" --out "$findings/third"
check "a folder without runs is refused" says 'there is no run of a registered arm' evidence contrasts "$findings" --out "$findings/base-2"
echo 'F2,ga,1,0.9,1' >> "$findings/base-2/contrasts.csv"
check "a table that was changed is refused" says 'base-2/contrasts.csv: the SHA-256 of the file is' evidence verdicts "$findings"
sed -i 's/steps     = 10 npo=12/steps     = 10/' "$prereg"
check "bases of another registration are refused" says 'base-1/manifest.json: the base was made by the registration' evidence verdicts "$findings"
check "steps that were not registered are refused" says 'placed by npo ends with request 1 and step 12, expected the registered 10 steps' evidence contrasts "$runs" --out "$findings/base-2"
sed -i '0,/steps     = 10$/s//steps     = 10 npo=12/; s/snapshot_every = 5/snapshot_every = 2/' "$prereg"
check "snapshots that are not there are refused" says 'lacks accuracies at step 2' evidence contrasts "$runs" --out "$findings/base-2"
rm "$runs/five-2/manifest.json"; sed -i 's/snapshot_every = 2/snapshot_every = 5/' "$prereg"
check "a run that is not finished is refused" says 'five-2/manifest.json: there is no link of the results' evidence contrasts "$runs" --out "$findings/base-2"
finish
