# SPDX-License-Identifier: MIT
# environments: plain
"""The course: the solution of each exercise passes, planted mistakes are named, and docs/course.md is true."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join("tests", "python", "course"))
import course  # noqa: E402
import mistakes  # noqa: E402
from support import VECTORS, check, finish, json_of, save  # noqa: E402

PLANTED = {
    1: ["BosMissing"],
    2: ["PromptInLoss", "ImageTokensInLoss", "ShiftOff1"],
    3: ["PadNotCrop", "CropNotPad", "FusedNormalise"],
    4: ["Tf32", "Bf16Accum", "DropoutOn", "LoraATransposed", "LoraNoScale"],
    5: ["EpsOutsideSqrt"],
    6: ["RopeInterleaved"],
    7: ["RopeInterleaved"],
    8: ["QuickGeluMissing"],
    9: ["GeluTanh", "ClsKept", "LayerMinus1"],
    10: ["SumNotMean", "PadInMean", "ShiftOff1", "KlReversed", "NpoBatchMean", "NpoLogits", "RefNotDetached"],
    11: ["RopeInterleaved", "GeluTanh", "PromptInLoss"],
    12: ["ClipMissing", "BetaDecimal", "BiasCorrectionMissing", "AdamEpsInSqrt", "DecayCoupled"]}
GOT = os.path.join(tempfile.mkdtemp(), "got.safetensors")
with open("docs/course.md", encoding="utf-8") as f:
    SECTIONS = {int(n): text for n, text in re.findall(r"^## ([0-9]+)\. (.*?)(?=^## |\Z)", f.read(), re.M | re.S)}


def options(exercise):
    return [word for start in course.EXERCISES[exercise] for word in ("--only", start)] + ["--partial"] * (exercise in course.PARTIAL)


def examined(exercise, mistake):
    """(exit code, the names of the mistakes that verify finds in the answers)"""
    with mistakes.planted(mistake):
        save(GOT, course.answers(exercise))
    command = [os.environ.get("PULSE", "build/pulse-ref"), "verify", VECTORS[:-1], GOT, "--json"] + options(exercise)
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return run.returncode, {line["mistake"] for line in map(json.loads, run.stdout.splitlines()) if "mistake" in line}


def flags_of(exercise):
    """The mistakes that the cases of the exercise know. Those of the cases block/ do not count again in exercise 11,
    because earlier exercises name them. Exercises 11 and 12 have the same step and divide its mistakes: what the page
    names in one does not count in the other."""
    flags = set()
    for start in course.EXERCISES[exercise]:
        kind = start.split("/")[0]
        for name in os.listdir(VECTORS + kind):
            if (kind + "/" + name).startswith(start) and start != "block/":
                flags.update(json_of("%s%s/%s/case.json" % (VECTORS, kind, name))["flags"])
    return flags - named(11) if exercise == 12 else flags - named(12) if exercise == 11 else flags


def named(exercise):
    return set(re.findall(r"`(\w+)`", re.search(r"^- \*\*Mistakes\.\*\*(.*?)(?=\n\n|\Z)", SECTIONS[exercise], re.M | re.S).group(1)))


def page(exercise):
    text = SECTIONS[exercise]
    command = re.search(r"^build/pulse-ref verify ((?:.*\\\n)*.*)$", text, re.M).group(1)
    words = command.replace("\\\n", " ").split()
    want = [VECTORS[:-1], "got.safetensors"] + options(exercise)
    assert words == want, "the page says %s, expected %s" % (words, want)
    assert named(exercise) == flags_of(exercise), "the page names %s, expected %s" % (named(exercise), flags_of(exercise))


for k in course.EXERCISES:
    check("exercise %d: the solution passes" % k, lambda: examined(k, "") == (0, set()))
    for m in PLANTED[k]:
        check("exercise %d: %s is named, and no other mistake" % (k, m), lambda: examined(k, m) == (1, {m}))
    check("exercise %d: the page has its command, and all mistakes of its cases" % k, lambda: page(k))
os.unlink(GOT)
os.rmdir(os.path.dirname(GOT))
finish()
