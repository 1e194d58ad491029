#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The converter of MLLMU-Bench, fed with rows as its parquet files have them, writes the very sample that is in fixtures/.
. tests/support/tap.sh

python=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import PIL' 2> /dev/null && python=$candidate && break
done

convert() {
    "$python" - "$tap_folder" <<'END'
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "fixtures")
import convert_mllmu

def row(line):
    person = json.loads(line)
    images = [{"bytes": open("fixtures/mllmu/" + path, "rb").read()} for path in person.pop("images")]
    person.update({"images": images} if len(images) > 1 else {"image": images[0]})
    for part in person["Classification_Task"].values():
        for question in part:                                   # parquet has a column for each letter
            question["Options"] = {letter: question["Options"].get(letter) for letter in "DCBA"}
    if "metadata" in person:
        person["metadata"] = json.dumps(person["metadata"])
    person["biography"] = "not read"
    return person

convert_mllmu.convert(map(row, open("fixtures/mllmu/sample.jsonl", encoding="utf-8")), sys.argv[1], "sample")
END
}

# Empty lists are left out by the converter.
without_empty() { sed 's/"Mask_Task": \[\], "Generation_Task": \[\], //' fixtures/mllmu/sample.jsonl; }

if [ -n "$python" ]; then
    check "the converter runs" convert
    check "its lines are those of the sample" cmp "$tap_folder/sample.jsonl" <(without_empty)
    check "and its pictures are there" test -s "$tap_folder/images/sample-002-1.png"
else
    skip "the converter writes the sample" "python3 with Pillow is not installed"
fi
finish
