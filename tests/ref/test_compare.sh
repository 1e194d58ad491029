#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref compare on files made by hand: verdicts, exit codes, names. Python writes one of them, and reads the JSON.
. tests/support/tap.sh
cd "$tap_folder" || exit 2
case $PULSE in /*) ;; *) PULSE=$OLDPWD/$PULSE ;; esac

# tensors FILE HEADER BYTES: a safetensors file; BYTES are printf escapes.
tensors() {
    local n=${#2}
    printf "\\x$(printf %02x $((n & 255)))\\x$(printf %02x $((n >> 8)))\0\0\0\0\0\0" > "$1"
    printf '%s' "$2" >> "$1"
    printf "$3" >> "$1"
}
# f32 NAME BEGIN: the entry of a header for two floats, whose bytes begin at BEGIN
f32() { printf '"%s":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}' "$1" "$2" "$(($2 + 8))"; }
one='\0\0\x80\x3f' next='\1\0\x80\x3f' two='\0\0\0\x40' nan='\0\0\xc0\x7f'

# says CODE "part" A B: compare ends with CODE and its output has the part.
says() {
    ends "$1" "$PULSE" compare "$3" "$4" > told 2>&1 || { cat told; return 1; }
    grep -qF -- "$2" told || { cat told; return 1; }
}

tensors a.safetensors "{$(f32 layers.2.w 0),$(f32 layers.10.w 8)}" "$one$two$one$two"
tensors order.safetensors "{$(f32 layers.10.w 0),$(f32 layers.2.w 8)}" "$one$two$one$two"
tensors near.safetensors "{$(f32 layers.2.w 0),$(f32 layers.10.w 8)}" "$one$two$next$two"
tensors both.safetensors "{$(f32 layers.2.w 0),$(f32 layers.10.w 8)}" "$one$nan$next$two"
tensors less.safetensors "{$(f32 layers.2.w 0)}" "$one$two"
tensors shape.safetensors "{$(f32 layers.2.w 0),\"layers.10.w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]}}" "$one$two$one$two"
tensors type.safetensors "{$(f32 layers.2.w 0),\"layers.10.w\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[8,16]}}" "$one$two$one$two"
tensors hub.safetensors "{$(f32 language_model.model.norm.weight 0)}" "$one$two"
tensors memory.safetensors "{$(f32 model.language_model.norm.weight 0)}" "$one$two"
tensors bad.safetensors "{$(f32 w 0)}" "$one"

check "a file is the same as itself" says 0 "same: 2 tensors, all bits equal" a.safetensors a.safetensors
check "the order inside the file does not matter" says 0 "same: 2 tensors" a.safetensors order.safetensors
check "one bit is a difference, and is shown" says 1 "layers.10.w F32 [2]: 1 of 2, max 1 ulp, scaled error 6.0e-08, first at [0]: 1.0 (3f800000) against 1.0000001 (3f800001)" a.safetensors near.safetensors
check "the first tensor that differs is the first by number, not by letter" says 1 "(2 differ, 0 misshaped, 0 missing, 0 extra), first layers.2.w" a.safetensors both.safetensors
check "NaNs are counted on their own" says 1 "1 of 2, max 0 ulp, scaled error 0.0e+00, 1 NaN" a.safetensors both.safetensors
check "a missing tensor is a difference" says 1 "missing   layers.10.w F32 [2]" a.safetensors less.safetensors
check "an extra tensor is a difference" says 1 "extra     layers.10.w F32 [2]" less.safetensors a.safetensors
check "another shape is a difference" says 1 "misshaped layers.10.w F32 [2] against F32 [2, 1]" a.safetensors shape.safetensors
check "another dtype is a difference" says 1 "misshaped layers.10.w F32 [2] against I32 [2]" a.safetensors type.safetensors
tensors wide.safetensors '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' '\0\0\x80\x3f\0\0\x80\xbf'
tensors bf16.safetensors '{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}' '\x80\x3f\x80\xbf'
tensors f16.safetensors '{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}' '\0\x3c\0\xbc'
tensors f16b.safetensors '{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}' '\1\x3c\0\xbc'
check "F32 and BF16 with the same numbers are the same, and the dtypes are reported" says 0 "same: 1 tensors, all numbers equal; 1 of them are of another dtype" wide.safetensors bf16.safetensors
check "BF16 and F16 with the same numbers are the same" says 0 "all numbers equal" bf16.safetensors f16.safetensors
check "1 and the next F16 number are 2^13 ulp of fp32 apart" says 1 "differs   w F32 [2] against F16 [2]: 1 of 2, max 8192 ulp, scaled error 9.8e-04, first at [0]: 1.0 (3f800000) against 1.0009765625 (3c01)" wide.safetensors f16b.safetensors
check "two layouts of tensor names are one model" says 0 "same: 1 tensors" hub.safetensors memory.safetensors
check "for a bad file there is no verdict" says 2 "bad.safetensors: the tensors end at byte 8 of the data, expected byte 4, the end of the file" a.safetensors bad.safetensors
check "for a missing file there is no verdict" says 2 "none.safetensors: cannot be read" none.safetensors a.safetensors
check "one operand is bad usage" ends 2 "$PULSE" compare a.safetensors

mkdir whole shards apart empty
cp a.safetensors whole/model.safetensors
tensors shards/model-00001-of-00002.safetensors "{$(f32 layers.2.w 0)}" "$one$two"
tensors shards/model-00002-of-00002.safetensors "{$(f32 layers.10.w 0)}" "$one$two"
cp shards/*.safetensors apart
echo '{}' > shards/model.safetensors.index.json
check "shards are the same as the whole" says 0 "same: 2 tensors" whole shards
check "a folder and its file are the same" says 0 "same: 2 tensors" a.safetensors whole
check "shards without an index are not joined" says 1 "missing   layers.2.w" whole apart
# An earlier version compared only the first thousand files.
mkdir many many2
for k in $(seq 0 1000); do ln a.safetensors many/$k.safetensors && ln a.safetensors many2/$k.safetensors; done
cp --remove-destination near.safetensors many2/999.safetensors
check "all files of a folder are compared, even more than a thousand" says 1 "different: 1 of 2002 tensors" many many2
check "for a folder without tensors there is no verdict" says 2 "empty: no .safetensors file was found" whole empty

# Python's own json and struct write a file for us, and read our JSON.
python_writes() {
    python3 - <<'PY'
import json, struct
h = {"__metadata__": {"format": "pt"}, "layers.2.w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "layers.10.w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}
b = json.dumps(h).encode()
b += b" " * (-len(b) % 8)
open("python.safetensors", "wb").write(struct.pack("<Q", len(b)) + b + struct.pack("<4f", 1, 2, 1, 2))
PY
}
python_reads() {
    ends 1 "$PULSE" compare --json a.safetensors both.safetensors | python3 -c '
import json, sys
o = json.load(sys.stdin)
assert o["verdict"] == "different" and o["first"] == "layers.2.w" and o["differs"] == 2 and o["equal"] == 0, o
x = o["list"][1]
assert x["name"] == "layers.10.w" and x["max_ulp"] == 1 and x["scaled_error"] == 2.0 ** -24 and x["max_error"] == 2.0 ** -23 and x["first"]["index"] == 0, x
assert o["list"][0]["nan"] == 1'
}
if command -v python3 > /dev/null; then
    python_writes
    check "a file made by Python is read" says 0 "same: 2 tensors" a.safetensors python.safetensors
    check "--json has the same facts as the text" python_reads
else
    skip "a file made by Python is read" "python3 is not installed"
fi
finish
