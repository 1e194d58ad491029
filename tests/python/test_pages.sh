#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The numbers and the figures of docs/ are as the program makes them now. `python3 tests/python/pages/pages.py renew`
# writes them anew.
. tests/support/tap.sh
export PULSE=${PULSE:-${BUILD:-build}/pulse-ref} PYTHONDONTWRITEBYTECODE=1
made="the numbers and figures of docs/ are as the program makes them (if not: python3 tests/python/pages/pages.py renew)"
if ! command -v python3 > /dev/null; then
    skip "$made" "there is no python3"
    finish
fi
check "$made" python3 tests/python/pages/pages.py
sed 's/0xbe33ae36/0xbe33ae37/' docs/walkthrough.md > "$tap_folder/page"
changed() { python3 - "$tap_folder/page" <<'PYTHON'
import sys
sys.path.insert(0, "tests/python/pages")
import pages
import walkthrough
pages.PAGES = {sys.argv[1]: walkthrough.blocks}
pages.figures.figures = dict
sys.exit(pages.main(False))
PYTHON
}
check "a changed digit of a page is found" ends 1 changed
finish
