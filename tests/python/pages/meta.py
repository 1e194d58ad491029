# SPDX-License-Identifier: MIT
"""The table of docs/metrics.md, from the meta.csv of `make meta`: which metrics take a model that hides an answer for one that
has forgotten it."""
import csv

FILE = "fixtures/findings/meta.csv"


def blocks():
    metrics = {}
    with open(FILE, encoding="utf-8") as f:
        for row in csv.DictReader(f):
            metrics.setdefault(row["metric"], {})[row["modality"]] = row

    def cell(rows, modality, column):
        text = rows.get(modality, {}).get(column, "")
        return "%.2f" % float(text) if text else "-"

    def worst(name):
        return min(float(row["auc_hidden"] or "nan") for row in metrics[name].values()), name

    line = "%-26s  %-14s  %-14s"
    number = "%5s %4s %4s"
    names = number % ("image", "text", "both")
    out = [line % ("", "AUC(H, N)", "r"), line % ("metric", names, names)]
    for name in sorted(metrics, key=worst):
        out.append(line % (name, *[number % tuple(cell(metrics[name], m, c) for m in ("image", "text", "both")) for c in ("auc_hidden", "r")]))
    return {"meta": [text.rstrip() for text in out]}


if __name__ == "__main__":
    print("\n".join(blocks()["meta"]))
