# SPDX-License-Identifier: MIT
# environments: 5 4
"""The recorded cases, computed with PyTorch and transformers (fixtures/pytorch/answers.py) from the recorded inputs:
operators, losses, modules and each module of a step are within their bounds. Sequential requests (sequences.py) are
within the noise.
verify names the two mistakes that answers.py can make."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join("tests", "python"))
from support import check, finish  # noqa: E402

PULSE, FOLDER = os.environ.get("PULSE", "build/pulse-ref"), tempfile.TemporaryDirectory()
GOT = FOLDER.name + "/got.safetensors"


def judged(*arguments):
    """(exit code, findings, summary) of what answers.py writes."""
    subprocess.run([sys.executable, "fixtures/pytorch/answers.py", GOT, *arguments], check=True)
    done = subprocess.run([PULSE, "verify", "fixtures/vectors/v1", GOT, "--partial", "--json"], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines[:-1], lines[-1]


def right():
    status, findings, summary = judged()
    assert status == 0 and summary["within"] > 250, summary
    missing = [f["where"] for f in findings if f["verdict"] == "MISSING" and not f["where"].startswith(("tok/", "mask/", "prep/"))]
    assert not missing and not any("mistake" in f for f in findings), missing


def requests():
    subprocess.run([sys.executable, "fixtures/pytorch/sequences.py", GOT], check=True)
    done = subprocess.run([PULSE, "verify", "fixtures/vectors/v1", GOT, "--only", "seq/", "--partial"], stdout=subprocess.PIPE, text=True)
    assert "121 within, 0 outside" in done.stdout, done.stdout


def wrong(name, *starts):
    status, findings, _ = judged("--mistake", name, "--only", *starts)
    outside = [f for f in findings if f["verdict"] == "OUTSIDE"]
    assert status == 1 and len(outside) >= 2 and all(f.get("mistake") == name for f in outside), outside


check("operators, losses, modules and the modules of a step are within their bounds", right)
check("sequential requests are within the noise", requests)
check("the loss of another form of NPO is outside, and named", lambda: wrong("NpoBatchMean", "loss/npo.sequence_sum"))
check("GELU by tanh is outside, and named", lambda: wrong("GeluTanh", "op/gelu", "block/projector"))
finish()
