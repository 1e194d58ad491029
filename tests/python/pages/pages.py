# SPDX-License-Identifier: MIT
"""The numbers and figures of docs/ that the program makes: `python3 tests/python/pages/pages.py` checks that they are as the
program makes them now, and `… renew` writes them. Run it at the root of the project. In a page, the code block below a line
`<!-- NAME -->` is made by the program."""
import re
import sys

import concepts
import figures
import meta
import verdicts
import walkthrough

PAGES = {"docs/walkthrough.md": walkthrough.blocks, "docs/concepts.md": concepts.blocks, "docs/findings.md": verdicts.blocks,
         "docs/metrics.md": meta.blocks}


def made(path, blocks):
    """The text of the page with its blocks as they are now."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for name, lines in blocks.items():
        text, count = re.subn(r"^(<!-- %s -->\n```\n).*?^(```)$" % name, lambda m, x=lines: m[1] + "\n".join(x) + "\n" + m[2], text,
                              flags=re.M | re.S)
        if count != 1:
            raise ValueError("%s has %d places for the block %s, expected 1" % (path, count, name))
    return text


def main(renew):
    same = True
    files = {path: made(path, blocks()) for path, blocks in PAGES.items()}
    files.update(figures.figures())
    for path, text in files.items():
        if renew:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            continue
        try:
            with open(path, encoding="utf-8") as f:
                now = f.read()
        except FileNotFoundError:
            now = ""
        lines, wanted = now.split("\n"), text.split("\n")
        for k in range(max(len(lines), len(wanted))):
            if lines[k:k + 1] != wanted[k:k + 1]:
                print("%s:%d: %s\n    expected: %s" % (path, k + 1, lines[k:k + 1], wanted[k:k + 1]))
                same = False
                break
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["renew"]))
