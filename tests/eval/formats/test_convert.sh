#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The converter of MLLMU-Bench gets rows as its parquet files have them, and writes the files that are in
# fixtures/mllmu.
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

for name in "sample", "forget_10", "retain_90", "Test_Set", "Retain_Set":
    convert_mllmu.convert(map(row, open(f"fixtures/mllmu/{name}.jsonl", encoding="utf-8")), sys.argv[1], name)
END
}

turned() {
    "$python" - "$tap_folder" 2> "$tap_folder/printed" <<'END' && grep -q "pictures with an EXIF orientation tag other than 1: 1, written turned upright" "$tap_folder/printed"
import io, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "fixtures")
import convert_mllmu
from PIL import Image

def sideways():
    picture, exif, file = Image.frombytes("L", (3, 2), b"abcdef"), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    picture.save(file, "PNG", exif=exif)
    return file.getvalue()

for how, size, rows in ("stored", (3, 2), b"abcdef"), ("exif", (2, 3), b"daebfc"):
    convert_mllmu.convert([{"ID": how, "image": {"bytes": sideways()}}], sys.argv[1], "sideways", how)
    written = Image.open(f"{sys.argv[1]}/images/sideways-{how}-0.png")
    assert written.size == size and written.convert("L").tobytes() == rows and not written.getexif()
END
}

# Prints the sample without its empty lists, which the converter leaves out.
without_empty() { sed 's/"Mask_Task": \[\], "Generation_Task": \[\], //' fixtures/mllmu/sample.jsonl; }

if [ -n "$python" ]; then
    check "the converter of MLLMU-Bench runs" convert
    check "the lines that the converter writes are those of the sample" cmp "$tap_folder/sample.jsonl" <(without_empty)
    for name in forget_10 retain_90 Test_Set Retain_Set; do
        check "the lines of the split $name are those in fixtures/" cmp "$tap_folder/$name.jsonl" fixtures/mllmu/$name.jsonl
    done
    check "the converter writes the pictures of the sample" test -s "$tap_folder/images/sample-002-1.png"
    check "pictures are written as stored, or turned as their orientation tag says" turned
else
    skip "the converter writes the sample" "python3 with Pillow is not installed"
fi
finish
