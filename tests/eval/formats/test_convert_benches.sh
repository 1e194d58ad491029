#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The converters of CLEAR and UMU-Bench get rows as the parquet files have them, and write the samples that are in
# fixtures/. These samples can be evaluated and unlearned.
. tests/support/tap.sh
model=fixtures/models/vanilla

has() { python3 -c "import $1" 2> /dev/null; }

# in_python < script: the script can use the converters, and rows(bench), which returns the rows of each config of the
# benchmark `bench`.
in_python() {
    python3 -c '
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "fixtures")
import bench_parquet, convert_clear, convert_umu
out, converters = sys.argv[1], {"clear": convert_clear, "umu": convert_umu}

def rows(bench):
    with open(f"fixtures/{bench}/rows.json", encoding="utf-8") as file:
        by_config = json.load(file)
    for row in sum(by_config.values(), []):
        if isinstance(row["image"], str):
            with open(f"fixtures/{bench}/" + row["image"], "rb") as picture:
                row["image"] = {"bytes": picture.read(), "path": row["image"]}
    return by_config

class Bytes(bench_parquet.Pictures):       # keeps the pictures as they are, so that Pillow is not needed
    def keep(self, data, index):
        path = f"images/{self.name}-{index}.png"
        with open(f"{self.folder}/{path}", "wb") as file:
            file.write(data)
        return path
'"$(cat)" "$tap_folder"
}

lines() {
    in_python <<'END_PYTHON'
for bench, converter in converters.items():
    for name, some in rows(bench).items():
        bench_parquet.convert(converter.samples, some, f"{out}/{bench}", name, pictures=Bytes)
END_PYTHON
}

same() { diff -r -x rows.json fixtures/"$1" "$tap_folder/$1"; }

# refused CONVERTER ROW "part": the converter refuses the row with a sentence that has the part.
refused() {
    ! in_python <<< "bench_parquet.convert(converters['$1'].samples, [$2], out, 'strange', pictures=Bytes)" 2> "$tap_folder/told" &&
        [ "$(wc -l < "$tap_folder/told")" = 1 ] && grep -qF -- "$3" "$tap_folder/told" || { cat "$tap_folder/told"; return 1; }
}

pictures() {
    in_python <<'END_PYTHON'
from PIL import Image
for bench, converter in converters.items():
    for name, some in rows(bench).items():
        bench_parquet.convert(converter.samples, some, f"{out}/drawn-{bench}", name)
        for row in some:
            data = row["image"] and row["image"]["bytes"]
            if data:
                drawn, given = (Image.open(f"{folder}/{row['image']['path']}") for folder in (f"{out}/drawn-{bench}", f"fixtures/{bench}"))
                assert drawn.size == given.size and drawn.tobytes() == given.convert("RGB").tobytes(), row["image"]["path"]
END_PYTHON
}

parquet() {
    in_python <<'END_PYTHON' && printf 'what is this ?\n\nwho is this ?\n' > "$tap_folder/captions.txt" &&
import pyarrow, pyarrow.parquet
for bench in converters:
    for name, some in rows(bench).items():
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(some), f"{out}/{bench}-{name}.parquet")
END_PYTHON
    python3 -B fixtures/convert_umu.py "$tap_folder/read" forget_5 "$tap_folder/umu-forget_5.parquet" &&
        cmp "$tap_folder/read/forget_5.jsonl" fixtures/umu/forget_5.jsonl &&
        python3 -B fixtures/convert_clear.py --captions "$tap_folder/captions.txt" "$tap_folder/read" forget05 "$tap_folder/clear-forget05.parquet" &&
        diff "$tap_folder/read/forget05.jsonl" <(sed '1s/What is depicted in the image?/what is this ?/; 2s/What is depicted in the image?/who is this ?/' fixtures/clear/forget05.jsonl)
}

if has json; then
    check "the converters of CLEAR and UMU-Bench run" lines
    check "the lines converted from CLEAR are those of its sample" same clear
    check "the lines converted from UMU-Bench are those of its sample" same umu
    check "a row with columns that no config of CLEAR has is refused" refused clear '{"image": None, "text": "a"}' "strange: row 0 has no 'question', only text: no config of CLEAR has such a row"
    check "a dictionary that Python cannot read is refused" refused umu '{"ID": 1, "image": {"bytes": b""}, "MM_QA": "{a"}' "strange: row 0 is not a row of UMU-Bench: SyntaxError"
    check "an answer that is not the letter of an option is refused" refused umu '{**rows("umu")["forget_5"][0], "Classify": "{\"muitimodal\": {\"a\": {\"question\": \"b\", \"options\": {\"A\": \"c\", \"B\": \"d\", \"C\": \"e\", \"D\": \"f\"}, \"answer\": \"g\"}}}"}' "KeyError: 'g'"
else
    skip "the converters write the samples" "python3 is not installed"
fi
if has PIL; then
    check "the converted pictures have the pixels of the rows" pictures
else
    skip "the converted pictures have the pixels of the rows" "python3 with Pillow is not installed"
fi
if has PIL && has pyarrow; then
    check "parquet files are read, and captions get the questions of a file in turn" parquet
else
    skip "parquet files are read" "python3 with Pillow and pyarrow is not installed"
fi

check "nothing is wrong with the sample of CLEAR" "$PULSE" data fixtures/clear/*.jsonl --model $model
check "nothing is wrong with the sample of UMU-Bench" "$PULSE" data fixtures/umu/*.jsonl --model $model

asked() { "$PULSE" eval --model $model $(printf -- '--questions %s ' "$@") --set data.template=plain > "$tap_folder/table"; }
row() { grep -qE "^ +$1" "$tap_folder/table" || { cat "$tap_folder/table"; return 1; }; }
check "CLEAR is evaluated" asked fixtures/clear/{forget05_perturbed,real_faces,real_world}.jsonl
for words in forget05_perturbed/caption forget05_perturbed/paraphrase forget05_perturbed/name real_faces/options real_world/options; do
    check "the table has rows for $words alone" grep -q "^$words, open, image" "$tap_folder/table"
done
check "UMU-Bench is evaluated" asked fixtures/umu/forget_5.jsonl
check "the picture and the text form of a question are paired" eval '[ "$(grep -c "umu_all_right" "$tap_folder/table")" = 3 ]'

# forgets NAME forget.jsonl retain.jsonl options…: unlearns in two steps; the files are in fixtures/.
forgets() {
    printf '[unlearn]\nforget = %s\nretain = %s\nbatch = 2\nprobe = 2\n[train]\nsteps = 2\n' "$PWD/fixtures/$2" "$PWD/fixtures/$3" > "$tap_folder/$1.ini"
    "$PULSE" unlearn --config "$tap_folder/$1.ini" --model $model --out "$tap_folder/$1" "${@:4}"
}
steps() { [ "$(grep -c '"loss"' "$tap_folder/$1/log.jsonl")" = 2 ] && test -s "$tap_folder/$1/adapter_model.safetensors"; }
check "CLEAR is unlearned, pictures and texts" forgets clear_adapter clear/forget05+tofu.jsonl clear/retain95+tofu.jsonl --method grad_diff
check "CLEAR is unlearned in two steps" steps clear_adapter
check "UMU-Bench is unlearned with its preset" forgets umu_adapter umu/forget_5.jsonl umu/retain_95.jsonl --method npo --set unlearn.preset=umu_bench --set unlearn.epochs=0
check "UMU-Bench is unlearned in two steps" steps umu_adapter
finish
