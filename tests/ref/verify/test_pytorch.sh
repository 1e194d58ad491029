#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# PyTorch is within the bounds of the vectors and of traced steps, and planted mistakes are outside. Skipped where PyTorch is not installed.
. tests/support/tap.sh
python=python3
/usr/bin/python3 -c 'import torch, numpy' 2> /dev/null && python=/usr/bin/python3
if ! $python -c 'import torch, numpy' 2> /dev/null; then
    skip "PyTorch is within the bounds" "python3-torch is not installed"
    finish
fi
export OMP_NUM_THREADS=1
at=$PWD/fixtures/world
for m in image text; do grep "\"modality\":\"$m\"" "$at/persons.jsonl" | awk 'NR % 131 == 1' | head -n 3; done \
    | sed "s|\"image\":\"portraits|\"image\":\"$at/portraits|" > "$tap_folder/batch.jsonl"

traced() {
    "$PULSE" trace --model fixtures/models/vanilla --reference fixtures/models/base --batch "$tap_folder/batch.jsonl" --method "$1" \
        --set train.trainable=proj+llm --set optimiser.weight_decay=0.1 --set optimiser.max_norm=0.001 --out "$tap_folder/$1"
}
# finds ARGUMENTS … FLAG=STARTS …: one process; with the mistake FLAG planted, the cases that start so must be outside.
finds() {
    $python - "$@" <<'PYTHON'
import contextlib, io, sys
sys.path.insert(0, "fixtures")
import check_pytorch as c
folder = [a for a in sys.argv[1:] if "=" not in a]
missed = []
for flag, starts in (a.split("=") for a in sys.argv[1:] if "=" in a):
    sys.argv = ["check_pytorch.py", *folder, "--mistake", flag, *(["--only", *starts.split(",")] if starts else [])]
    with contextlib.redirect_stdout(io.StringIO()):
        found = c.main()
    if not found:
        missed.append(flag)
print("not found:", *missed)
sys.exit(len(missed) > 0)
PYTHON
}
# names FLAG=STARTS …: with the mistake planted, `pulse-ref verify` reads its name, and no other, in the steps that start so.
names() {
    $python - "$tap_folder" "$@" <<'PYTHON' || return 1
import contextlib, io, sys
sys.path.insert(0, "fixtures")
import check_pytorch as c
folder = sys.argv[1]
for flag, starts in (a.split("=") for a in sys.argv[2:]):
    sys.argv = ["check_pytorch.py", "--mistake", flag, "--only", starts, "--dump", "%s/%s.safetensors" % (folder, flag)]
    with contextlib.redirect_stdout(io.StringIO()):
        c.main()
PYTHON
    for one; do
        named=$("$PULSE" verify fixtures/vectors/v1 "$tap_folder/${one%%=*}.safetensors" | grep -o 'known mistake .*' | sort -u)
        [ "$named" = "known mistake ${one%%=*}" ] || { echo "$one: verify names: $named"; return 1; }
    done
}
check "PyTorch is within the bounds of operators, losses, modules and steps" $python fixtures/check_pytorch.py --dump "$tap_folder/dump.safetensors"
judged() { "$PULSE" verify fixtures/vectors/v1 "$tap_folder/dump.safetensors" > "$tap_folder/judged" ; tail -n 1 "$tap_folder/judged" | grep ' 0 outside' && ! grep 'known mistake' "$tap_folder/judged"; }
check "verify, too, finds nothing outside in what it answered, and names no mistake" judged
check "planted mistakes are outside" finds GeluTanh=op/gelu,block/projector QuickGeluMissing=block/vision_mlp RopeInterleaved=block/attention EpsOutsideSqrt=block/rmsnorm.b \
    LoraNoScale=block/lora ClsKept=block/vision_select SumNotMean=loss/ga.default NpoBatchMean=loss/npo.sequence KlReversed=loss/ga_klr.default RefNotDetached=loss/npo.sequence \
    BetaDecimal=op/adam_v DecayCoupled=step/npo.adamw ClipMissing=step/npo.adamw
check "verify names mistakes planted in whole steps" names GeluTanh=step/grad_diff QuickGeluMissing=step/grad_diff RopeInterleaved=step/grad_diff EpsOutsideSqrt=step/grad_diff \
    ClsKept=step/grad_diff SumNotMean=step/grad_diff NpoBatchMean=step/npo ClipMissing=step/npo DecayCoupled=step/npo KlReversed=step/ga_klr LoraNoScale=step/ga_klr BetaDecimal=step/ga_klr
for method in ga ga_klr npo; do
    check "$method is traced" traced $method
    check "PyTorch agrees with every module of the step of $method" $python fixtures/check_pytorch.py "$tap_folder/$method" --model fixtures/models/vanilla
done
check "mistakes in the shipped model's step are outside" finds "$tap_folder/npo" --model fixtures/models/vanilla SumNotMean= NpoBatchMean= GeluTanh= QuickGeluMissing= ClsKept= RopeInterleaved= \
    ClipMissing= DecayCoupled=
check "a reversed KL is outside" finds "$tap_folder/ga_klr" --model fixtures/models/vanilla KlReversed=
check "a folder without cases ends with 2" ends 2 $python fixtures/check_pytorch.py "$tap_folder"
finish
