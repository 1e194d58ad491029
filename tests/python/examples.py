# SPDX-License-Identifier: MIT
"""The examples of docs/api-python.md print what the page shows, and each public name of pulse.py has an example. Run it at the
root of the project."""
import doctest
import os
import re
import sys

sys.path[:0] = [os.environ.get("PULSE_PY", os.path.join("ref", "python")), os.path.join("tests", "python")]
import pulse  # noqa: E402
from support import check, finish  # noqa: E402

PAGE = "docs/api-python.md"
with open(PAGE, encoding="utf-8") as page:
    BLOCKS = re.findall(r"^```python\n(.*?)^```$", page.read(), re.M | re.S)


def run():
    names, said = {}, []
    for k, block in enumerate(BLOCKS):
        test = doctest.DocTestParser().get_doctest(block, names, "block %d of %s" % (k + 1, PAGE), PAGE, 0)
        assert test.examples, block
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert not said, "".join(said)


def named():
    text = "\n".join(BLOCKS)
    missing = [n for n in pulse.__all__ if not re.search(r"\bpulse\.%s\b" % n, text)]
    assert not missing, missing


check("the examples of %s print what the page shows" % PAGE, run)
check("each public name has an example", named)
finish()
