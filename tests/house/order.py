# SPDX-License-Identifier: MIT
"""Prints the calls that make nodes of a tape in two of their arguments; there must be none. In C the order in which
arguments are computed is open, and gcc and clang choose different orders, but the order of the nodes is part of digests
and traces."""
import pathlib
import re

# texts, and how many such calls each has
EXAMPLES = {"op_ratio(t, x)": 0, "f(t, op_softmax(t, x), op_ratio(t, y))": 1, "f(op_add(t, op_mul(t, x, y), z), 1)": 0}


def arguments(text, at):
    """The arguments of a call; the first argument begins at `at`."""
    depth, begin, found = 0, at, []
    for k in range(at, len(text)):
        if text[k] in "([{":
            depth += 1
        elif text[k] in ")]}" and depth == 0:
            return found + [text[begin:k]]
        elif text[k] in ")]}":
            depth -= 1
        elif text[k] == "," and depth == 0:
            found.append(text[begin:k])
            begin = k + 1
    return found


def calls(text, makers):
    """The line and the name of each call that makes nodes in two of its arguments. `makers` are the names of the functions
    that make nodes."""
    for call in re.finditer(r"\b(?!if\b|for\b|while\b|switch\b|return\b|sizeof\b)(\w+)\s*\(", text):
        made = [x for x in arguments(text, call.end()) if makers & set(re.findall(r"\b(\w+)\s*\(", x))]
        if len(made) > 1:
            yield text.count("\n", 0, call.start()) + 1, call[1]


def main():
    assert all(len(list(calls(text, {"op_ratio", "op_softmax", "op_add", "op_mul"}))) == n for text, n in EXAMPLES.items())
    files = [f for room in ("tensor", "model", "unlearn", "eval", "ref") for f in sorted(pathlib.Path(room).rglob("*.[ch]"))]
    source = {f: re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), f.read_text(encoding="utf-8"), flags=re.S) for f in files}
    source = {f: text for f, text in source.items() if "Tape" in text}
    makers = set(re.findall(r"\bNode\s*\*\s*(\w+)\s*\(|\b(op_\w+)\s*\(", "".join(source.values())))
    makers = {name for pair in makers for name in pair if name}
    assert len(makers) > 50
    for f, text in source.items():
        for line, name in calls(text, makers):
            print(f"{f}:{line}: {name}() makes nodes in two of its arguments, expected a statement for each")


if __name__ == "__main__":
    main()
