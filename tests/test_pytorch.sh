#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# PyTorch agrees with traced steps, and planted mistakes are found. Skipped where PyTorch is not installed.
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
python=python3
/usr/bin/python3 -c 'import torch, numpy' 2> /dev/null && python=/usr/bin/python3
if ! $python -c 'import torch, numpy' 2> /dev/null; then
    skip "PyTorch agrees with a traced step" "python3-torch is not installed"
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
# finds METHOD MISTAKE…: one process, each mistake must be different (1).
finds() {
    $python - "$tap_folder/$1" "${@:2}" <<'PYTHON'
import contextlib, io, sys
sys.path.insert(0, "fixtures")
import check_step_pytorch as c
folder, missed = sys.argv[1], []
for name in sys.argv[2:]:
    sys.argv = ["check_step_pytorch.py", folder, "--mistake", name]
    with contextlib.redirect_stdout(io.StringIO()):
        found = c.main()
    if not found:
        missed.append(name)
print("not found:", *missed)
sys.exit(len(missed) > 0)
PYTHON
}
for method in ga ga_klr npo; do
    check "$method is traced" traced $method
    check "PyTorch agrees with the step of $method" $python fixtures/check_step_pytorch.py "$tap_folder/$method"
done
check "mistakes in the model and AdamW are found" finds npo LabelShift SumNotMean NpoBatchMean GeluTanh QuickGeluMissing LayerMinus3 ClsKept \
    RopeInterleaved EpsOutside LoraNoScale ClipMissing AdamEpsInSqrt BiasCorrectionMissing DecayCoupled
check "a reversed KL is found" finds ga_klr KlReversed
check "a folder without a trace ends with 2" ends 2 $python fixtures/check_step_pytorch.py "$tap_folder"
finish
