# SPDX-License-Identifier: MIT
"""The numbers of docs/findings.md: the verdicts as the program prints them, and the contrasts of the finished bases,
multiplied by 100."""
import csv
import glob
import os
import re
import subprocess

PULSE = os.environ.get("PULSE", "build/pulse-ref")
FOLDER = "fixtures/findings"


def contrasts():
    """{base: {(finding, method): [100 times the value of each seed; None if a level was not reached]}}"""
    bases = {}
    for path in glob.glob(FOLDER + "/base-*/contrasts.csv"):
        values = bases.setdefault(int(re.search(r"base-(\d+)", path)[1]), {})
        with open(path, encoding="utf-8") as f:
            for row in csv.DictReader(f):
                values.setdefault((row["finding"], row["method"]), []).append(100 * float(row["value"]) if row["reached"] == "1" else None)
    return bases


def finished():
    bases = contrasts()
    rows = list(dict.fromkeys(key for base in sorted(bases) for key in bases[base]))

    def line(finding, method, cells):
        return ("%-11s %-7s" % (finding, method) + "".join("%13s" % cell for cell in cells)).rstrip()

    def cell(values):
        return ", ".join("-" if v is None else "%.1f" % v for v in values)

    out, before = [line("finding", "method", ["base %d" % k for k in sorted(bases)])], None
    for finding in dict.fromkeys(finding for finding, _ in rows):
        methods = [method for name, method in rows if name == finding]
        for method in methods:
            out.append(line(finding if finding != before else "", method, [cell(bases[k].get((finding, method), [])) for k in sorted(bases)]))
            before = finding
        means = []
        for k in sorted(bases):
            values = [v for method in methods for v in bases[k].get((finding, method), [])]
            means.append("-" if not values or None in values else "%.1f" % (sum(values) / len(values)))
        out.append(line("", "mean", means))
    return out


def blocks():
    command = [PULSE, "evidence", "verdicts", FOLDER]
    return {"verdicts": subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines(), "finished": finished()}
