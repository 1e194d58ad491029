#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The report of hand-made results shows these results. Hostile results are refused, or the page still makes sense.
. tests/support/tap.sh
header=scenario,method,trainable,round,split,modality,metric,value,count,total,seed
run=$tap_folder/run page=$tap_folder/run/report.html
mkdir -p "$run"

# results LINE…: writes results.csv with these rows.
results() { { echo $header; printf '%s\n' "$@"; } > "$run/results.csv"; }
report() { "$PULSE" report "$run" "$@"; }
has() { grep -qF -- "$1" "$page" || { echo "the page does not hold: $1"; false; }; }
lacks() { ! grep -qE -- "$1" "$page" || { grep -oE -- ".{0,40}$1.{0,40}" "$page" | head -n 3; false; }; }
# refuses "part": exit code 2, one sentence that has the part; the page that was there is unchanged.
refuses() {
    echo before > "$page"
    ends 2 report > "$tap_folder/out" 2> "$tap_folder/wrong" || return 1
    [ "$(wc -l < "$tap_folder/wrong")" = 1 ] && grep -qF -- "$1" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
    [ "$(cat "$page")" = before ] && [ "$(find "$run" -name 'report.html*' | wc -l)" = 1 ]
}
results_of_two_seeds() {
    local seed split modality value
    for seed in 0 1; do
        for split in unlearn retain general; do
            for modality in image text both; do
                echo "finetuned,none,full,0,$split,$modality,accuracy,0.975,39,40,$seed"
                echo "finetuned,retrain,full,1,$split,$modality,accuracy,0.125,5,40,$seed"
                value=0.$((25 + 50 * seed))
                echo "finetuned,ga,proj+llm,1,$split,$modality,accuracy,$value,,,$seed"
                echo "finetuned,ga,proj+llm,1,$split,$modality,strange_metric,0.0625,,,$seed"
            done
        done
    done
}
answer() {    # answer METHOD ROUND MODALITY EXACT TEXT
    printf '{"scenario": "finetuned", "method": "%s", "trainable": "full", "round": %s, "seed": 0, "split": "unlearn", "id": "person-00-home-0-%s", "entity": "person-00", "group": "person", "skill": "home", "modality": "%s", "kind": "open", "answer": "finland", "exact": %s, "text": "%s"}\n' "$1" "$2" "$3" "$3" "$4" "$5"
}

ends 2 "$PULSE" report "$run" > /dev/null 2> "$tap_folder/wrong"
check "a folder without results.csv is refused" grep -qE '^pulse-ref: .*results\.csv' "$tap_folder/wrong"

results $(results_of_two_seeds)
check "a page is made" ends 0 report
cp "$page" "$tap_folder/first.html"
check "the path of the page is printed" grep -qxF "$page" <(report)
check "the same results give the same bytes" cmp "$page" "$tap_folder/first.html"
links() {                                          # the anchors that the head links to and the page does not have
    comm -23 <(grep -o 'href="#[a-z-]*"' "$page" | cut -d'"' -f2 | tr -d '#' | sort -u) <(grep -o 'id="[a-z-]*"' "$page" | cut -d'"' -f2 | sort -u)
}
check "each link of the head leads to a section" [ -z "$(links)" ]
check "mean and range over the seeds are shown" has "50.0 (25.0–75.0)"
check "accuracies are shown in percent" has ">97.5<"
check "a metric that no figure knows is listed" has "strange_metric"
check "the number of questions is shown beside the numbers" has "n: forget 40 image + 40 text, retain 40 image + 40 text, general 40 image + 40 text"
check "columns have a unit and a direction" has ">forget, image, % ↓<"
check "more than 100 percent is explained" has "more than 100 means that more answers are right than before"
check "each figure names the rows it is made of" has "results.csv: scenario=finetuned, metric=accuracy"
check "a scenario that was not run is said to be missing" has "no rows of the scenario pretrained"
check "curves that were not recorded are said to be missing" has "no trajectory.csv"
check "the page has the verdict of the finished bases on the second finding" has "$("$PULSE" evidence verdicts fixtures/findings --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["findings"][1]["words"])')"
check "each finding has the paper's number" has 'over 90 % of general ability is lost with pre-trained knowledge'
every_base_is_there() {
    python3 - "$page" fixtures/findings/base-[1-9]*/contrasts.csv <<'PY'
import csv, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
page = page[page.index("The bases, one by one"):page.index('<section id="comparison"')]
for path in sys.argv[2:]:
    base, values = int(re.search(r"base-(\d+)", path)[1]), {}
    for row in csv.DictReader(open(path, encoding="utf-8")):
        values.setdefault(row["finding"], []).append(float(row["value"]))
    rows = re.findall(r"<span>(\w+): .*?</tr>\n<tr><th scope=\"row\">all methods</th>(.*?)</tr>", page, re.S)
    assert [name for name, _ in rows] == list(values), (rows, values)
    for name, cells in rows:
        shown, mean = re.findall(r"<td>(.*?)</td>", cells)[base - 1], 100 * sum(values[name]) / len(values[name])
        assert abs(float(shown) - mean) <= .0501, (path, name, shown, mean)
PY
}
if command -v python3 > /dev/null; then
    check "the figure of the bases has the mean of each finished base, as it follows from contrasts.csv" every_base_is_there
fi
check "the figure of the bases has a dashed line at delta" has 'class="delta"'
check "the figure of the bases says which arms a measure compares" has "at equal forgetting. A is L, B is E."
check "the retrained model is explained" has "Retrained is a model that never saw them"
check "a missing manifest is reported" has "no manifest.json"
check "missing answers are reported" has "no answers.jsonl"
check "nothing is fetched: no address, script, sheet or font" lacks 'https?:|<script|<link|@import|url\('
check "there is a dark colour scheme" has "prefers-color-scheme:dark"

well_formed() {
    report > /dev/null && python3 - "$page" <<'PY'
import sys, html.parser
empty = {"meta", "img", "br"}
class P(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(); self.open = []; self.ids = set(); self.svgs = self.described = self.tables = self.figures = 0
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            assert attrs["id"] not in self.ids, "twice the id " + attrs["id"]
            self.ids.add(attrs["id"])
        if tag == "svg":
            self.svgs += 1
            self.labels = attrs["aria-labelledby"].split()
        self.described += tag == "desc" and attrs["id"] == self.labels[1]
        self.tables += tag == "table"
        self.figures += tag == "figure"
        if tag not in empty:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs): pass
    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, "badly nested: " + tag
p = P(); p.feed(open(sys.argv[1], encoding="utf-8").read()); p.close()
assert not p.open and p.svgs == p.described > 0 and p.tables >= p.figures > 0, (p.open, p.svgs, p.described, p.tables, p.figures)
PY
}
if command -v python3 > /dev/null; then
    check "the page is well formed; each figure has a title, a description and a table" well_formed
else
    skip "the page is well formed; each figure has a title, a description and a table" "python3 is not installed"
fi

# --- trajectories, answers, manifest ---
{ echo scenario,method,trainable,round,epoch,step,split,modality,metric,value,count,total,seed
  for split in unlearn retain general; do for modality in image text both; do for epoch in 1 2; do
      echo "finetuned,ga,proj+llm,1,$epoch,$((25 * epoch)),$split,$modality,accuracy,0.5,,,0"
  done; done; done; } > "$run/trajectory.csv"
{ answer none 0 image true finland; answer none 0 text true finland; answer ga 1 image false '<b>peru</b>'; answer ga 1 text true finland; } > "$run/answers.jsonl"
echo '{"entries": [{"version": "0.1.0", "spec": "1", "config": "abc", "link": "x"}, {"results": {}, "link": "0123456789abcdef"}], "chain": "fedcba9876543210"}' > "$run/manifest.json"
check "a page is made from all files" ends 0 report --world fixtures/world
check "version and specification are shown" has "pulse-ref 0.1.0, spec 1"
# the SHA-256 of the config "abc"
check "the config's digest is shown" has ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
check "the chain of the results is shown: the link of the entry that has results" has 0123456789abcdef
check "curves over the steps are drawn" has "<polyline"
check "the question is shown as it was asked" has "what is the home of this person ?"
check "the picture of the question is in the page" has "data:image/png;base64,iVBORw0KGgo"
check "the answer before unlearning is shown as right" has '<span class="right">✓</span> finland'
check "markup in an answer is text" has "&lt;b&gt;peru&lt;/b&gt;"
check "without the world the page says that its folder was not at hand" sh -c "cd '$run' && '$(realpath "$PULSE")' report . > /dev/null && grep -q 'folder was not at hand' report.html"
if command -v python3 > /dev/null; then
    check "the page with curves and answers is well formed" well_formed
fi

# --- attacks and findings ---
cp "$run/results.csv" "$tap_folder/plain.csv"
check "a finding is shown in the words of the paper" has "F1: fine-tuned knowledge goes and general ability stays (stopping rule budget)"
check "a finding without rows of its own is left out" lacks "F3: requests"
check "a run without attacks says so" has "No model of this run was attacked"
{ for metric in accuracy_relearned=0.75 accuracy_4bit=0.5 relearning=0.25 mia_loss=0.625 privleak=-12.5; do
      echo "finetuned,ga,proj+llm,1,unlearn,both,${metric%=*},${metric#*=},,,0"
  done
  for rule in updates accuracy; do
      echo "sequential-$rule,none,full,0,general,both,accuracy,0.5,,,0"
      for round in 1 2; do echo "sequential-$rule,ga,proj+llm,$round,unlearn,both,steps,15,,,0"; done
      for split in unlearn general; do echo "sequential-$rule,ga,proj+llm,2,$split,both,accuracy,0.25,,,0"; done
  done; } >> "$run/results.csv"
{ echo "sequential-updates,ga,proj+llm,2,3,15,unlearn,both,accuracy,0.48,,,0"; echo "sequential-updates,ga,proj+llm,2,3,15,general,both,accuracy,0.25,,,0"; } >> "$run/trajectory.csv"
check "a page with attacks and rules is made" ends 0 report
check "what an attack brings back is shown" has ">75.0<"
check "membership is shown as a number" has ">0.625<"
check "a metric that no figure shows has its range and its direction on the split" has "<td>0..1</td><td>forget</td><td>0.5</td>"
check "a figure is drawn for each rule" has "Requests one after another, stopping rule accuracy"
check "the steps of all requests are added up" has ">30<"
check "the finding about sequential requests has its group" has "F3: requests one after another hurt more than one (stopping rule updates)"
check "the table of equal forgetting names each state by rule, request and step" has "seed 0: updates, request 2, step 15, forget 48.0, general 50.0"
cp "$tap_folder/plain.csv" "$run/results.csv"
sed -i '/^sequential/d' "$run/trajectory.csv"

# --- hostile input ---
cp "$run/answers.jsonl" "$tap_folder/answers"
printf '{"id": "x", "method": "none", \n' > "$run/answers.jsonl"
check "a broken answer is refused with its line number" refuses "answers.jsonl:1"
cp "$tap_folder/answers" "$run/answers.jsonl"
echo '[' > "$run/manifest.json"
check "a broken manifest is refused" refuses "manifest.json"
echo '[]' > "$run/manifest.json"
check "a manifest of another shape still makes a page" ends 0 report
rm "$run/manifest.json" "$run/trajectory.csv" "$run/answers.jsonl"

echo scenario,method,value > "$run/results.csv"
check "missing columns are refused" refuses "results.csv:1: the header is"
: > "$run/results.csv"
check "an empty file is refused" refuses "results.csv:1: the header is"
results a,b,c
check "missing fields are refused with their line number" refuses "results.csv:2: the line has 3 fields, expected 11"
results finetuned,ga,llm,1,unlearn,image,accuracy,0.5,1,2,0 finetuned,ga,llm,1,unlearn,image,accuracy,much,1,2,0
check "what is not a number is refused with its line number" refuses "results.csv:3: value is \"much\""
results finetuned,ga,llm,1,unlearn,image,accuracy,1e308,1,2,0
check "what is too large for a percentage is refused with its line number" refuses "results.csv:2: value is \"1e308\", expected a number from -1e300 to 1e300"
results "finetuned,$(printf 'x%.0s' {1..201}),llm,1,unlearn,image,accuracy,1,1,2,0"
check "an endless name is refused with its line number" refuses "results.csv:2: field 2 has 201 bytes, expected at most 200"
results finetuned,ga,llm,-1,unlearn,image,accuracy,0.5,1,2,0
check "a negative round is refused" refuses "round is \"-1\""
results ,ga,llm,1,unlearn,image,accuracy,0.5,1,2,0
check "an empty name is refused" refuses "scenario is empty"
printf '%s\nfinetuned,g\0a,llm,1,unlearn,image,accuracy,0.5,1,2,0\n' $header > "$run/results.csv"
check "a zero byte is refused" refuses "zero byte"

results
check "a results.csv without rows makes a page" ends 0 report
check "the page without rows says that nothing was measured" has "nothing was measured"
results finetuned,none,full,0,unlearn,image,accuracy,NaN,,,0 finetuned,ga,llm,1,unlearn,image,accuracy,1e300,,,0 finetuned,ga,llm,1,unlearn,text,accuracy,-7,,,0
check "NaN, huge and negative values make a page" ends 0 report
check "a missing oracle is reported" has "no retrained model to compare with"
check "NaN is shown as no number" has "no number"
check "no coordinate is NaN, infinite or huge" lacks '="-?(nan|inf|[0-9]{7})'
results '<script>alert(1)</script>,a&b,"x",9223372036854775807,unlearn,image,accuracy,0.5,1,2,0' $'\xff\xfe,ga,llm,1,unlearn,image,accuracy,0.5,1,2,0'
check "markup and broken text in names make a page" ends 0 report
check "markup in names is escaped" lacks '<script|a&b'
check "broken UTF-8 in names is replaced" iconv -f UTF-8 -t UTF-8 -o /dev/null "$page"
huge=9223372036854775807
results sequential,none,full,0,retain,both,accuracy,0.9,9,10,0 sequential,ga,llm,1,retain,both,accuracy,0.5,1,2,0 sequential,ga,llm,$huge,retain,both,accuracy,0.5,1,2,0 stress-$huge$huge,ga,llm,$huge,retain,both,accuracy,0.5,1,2,0
check "the largest possible round number makes a page" ends 0 report
results $(for k in $(seq 3000); do echo "s$((k % 150)),m$((k % 130)),llm,$((k % 60)),unlearn,image,metric$((k % 220)),0.5,1,2,$((k % 30))"; done)
check "thousands of rows, scenarios, methods and metrics make a page" ends 0 report
finish
