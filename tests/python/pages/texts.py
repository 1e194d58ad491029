# SPDX-License-Identifier: MIT
"""Checks of the documentation's text: `texts.py commands|links|reachable|lengths|spelling` prints one line for each error. Run it
at the root of the project. Spelling is that of aspell (en_GB) and of words.txt beside this file, which lists words of the
field; abbreviations and names with capitals inside are not checked. Exit code 3 means that there is no aspell."""
import glob
import os
import re
import subprocess
import sys

PAGES = ["README.md"] + sorted(glob.glob("docs/**/*.md", recursive=True))
LINKED = PAGES + ["REPRODUCE.md", "CHANGELOG.md"] + sorted(glob.glob("fixtures/**/README.md", recursive=True))
COMMAND = re.compile(r"^\$? ?(make|build/\S+|pulse-ref|python3?|bash|sh|pip3?|git|cd|export) ", re.M)
WORDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "words.txt")


def text_of(page):
    with open(page, encoding="utf-8") as f:
        return f.read()


def blocks(text): return re.findall(r"^```(.*)\n((?:(?!```).*\n)*)```$", text, re.M)
def prose(text): return re.sub(r"^```.*\n(?:(?!```).*\n)*```$", "", text, flags=re.M)


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower().strip()).replace(" ", "-") for h in heads}


def commands():
    """A block that begins with a command must be marked, so that a test runs it."""
    for page in PAGES:
        for kind, body in blocks(text_of(page)):
            shell = kind.startswith("sh") or (kind in ("", "bash", "console") and COMMAND.search(body))
            if shell and kind not in ("sh test", "sh long", "sh python"):
                first = body.split("\n")[0]
                yield "%s: the block ```%s %s… is a command; expected ```sh test, ```sh long or ```sh python" % (page, kind, first)
        for line in re.findall(r"(?<=\n\n)    (\S.*)", prose(text_of(page))):
            if COMMAND.match(line):
                yield "%s: the indented command %s… belongs into a block ```sh test, ```sh long or ```sh python" % (page, line)


def links():
    """The target of each link must exist, and each path of the checkout that is written between backticks."""
    for page in LINKED:
        text = prose(text_of(page))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(file):
                yield "%s: there is no %s" % (page, target)
            elif anchor and anchor not in anchors(text_of(file)):
                yield "%s: %s has no heading #%s" % (page, file, anchor)
        if page != "CHANGELOG.md":                         # it also names files that are gone
            for path in re.findall(r"`((?:tensor|model|unlearn|eval|ref|fixtures|tests|docs)/[\w./-]*[\w/])`", text):
                if "NAME" not in path and not os.path.exists(path) and not os.path.exists(os.path.join(os.path.dirname(page), path)):
                    yield "%s: there is no `%s`" % (page, path)


def reachable():
    """docs/index.md must link each page of docs/."""
    index = text_of("docs/index.md") if os.path.exists("docs/index.md") else ""
    for page in glob.glob("docs/*.md"):
        name = os.path.basename(page)
        if name != "index.md" and "](%s)" % name not in index:
            yield "docs/index.md does not lead to %s" % name


def lengths():
    for page in PAGES:
        lines, most = text_of(page).count("\n"), 89 if page == "README.md" else 199
        if lines > most:
            yield "%s has %d lines, expected at most %d" % (page, lines, most)


def spelling():
    try:
        subprocess.run(["aspell", "dicts"], stdout=subprocess.PIPE, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(3)
    with open(WORDS, encoding="utf-8") as f:
        known = set(f.read().split())
    for page in LINKED:
        text = re.sub(r"`[^`]*`", " ", prose(text_of(page)))       # code between backticks is not checked
        text = re.sub(r"\]\([^)]*\)|https?:\S+|<[^>]*>|\w*_\w*|\S+\.(?:py|md|json|c|h|def)\b", " ", text)
        words = [re.sub(r"'s?$", "", w) for w in re.findall(r"(?<!\w)[A-Za-z\u00c0-\u024f]+(?:'[a-z]+)?(?!\w)", text)]
        lines = "\n".join(sorted({w for w in words if w[1:].islower() and w.lower() not in known}))
        run = subprocess.run(["aspell", "list", "--lang=en_GB", "--encoding=utf-8", "--ignore=2"], input=lines.encode(),
                             stdout=subprocess.PIPE, check=True)
        for word in run.stdout.decode().split():
            yield "%s: %s (a word of the field belongs into %s)" % (page, word, os.path.relpath(WORDS))



if __name__ == "__main__":
    wrong = list({"commands": commands, "links": links, "reachable": reachable, "lengths": lengths, "spelling": spelling}[sys.argv[1]]())
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
