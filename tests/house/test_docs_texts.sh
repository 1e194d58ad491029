#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README.md and docs/: the quick commands run, every command is in a block that something runs, links lead somewhere,
# each page can be reached, pages are short, and the words are spelled right.
. tests/support/tap.sh
BUILD=${BUILD:-build}
check "the quick commands of README.md and docs/ run" bash tests/docs.sh "$BUILD" test
says() { PYTHONDONTWRITEBYTECODE=1 python3 tests/python/pages/texts.py "$1"; }
for what in "commands:every command is in a block that is marked test, long or python" "links:links and paths lead somewhere" \
    "reachable:docs/index.md leads to each page" \
    "lengths:each page has under 200 lines, and README.md under 90" "spelling:all words are spelled right"; do
    if ! command -v python3 > /dev/null; then
        skip "${what#*:}" "there is no python3"
    elif [ "${what%%:*}" = spelling ] && ! { aspell dicts 2> /dev/null | grep -qx en_GB; }; then
        skip "${what#*:}" "there is no aspell with en_GB"
    else
        check "${what#*:}" says "${what%%:*}"
    fi
done

# Each check must find a fault. The faults are made in a folder of their own.
mkdir -p "$tap_folder/root/docs" "$tap_folder/root/tests"
cp -r tests/docs.sh tests/python "$tap_folder/root/tests/"
printf '# A page\n\nA mispeled word, [a link](nowhere.md), and `tests/nothing.sh`.\n\n```\nmake never\n```\n\n```sh test\nfalse\n```\n' > "$tap_folder/root/README.md"
touch "$tap_folder/root/REPRODUCE.md" "$tap_folder/root/CHANGELOG.md"
seq 200 | sed 's/.*/A line./' > "$tap_folder/root/docs/long.md"
# fault WHAT COUNT: the check WHAT of texts.py finds COUNT faults in that folder.
fault() { (cd "$tap_folder/root" && says "$1" | grep -c .) > "$tap_folder/count"; test "$(cat "$tap_folder/count")" = "$2"; }
if command -v python3 > /dev/null; then
    check "an unmarked command is found" fault commands 1
    check "a link and a path to nowhere are found" fault links 2
    check "a page that is not in the index is found" fault reachable 1
    check "a page of 200 lines is found" fault lengths 1
    if aspell dicts 2> /dev/null | grep -qx en_GB; then check "a misspelled word is found" fault spelling 1; fi
fi
failing() { (cd "$tap_folder/root" && mkdir -p build && bash tests/docs.sh build test); }
check "a command that fails is found" ends 1 failing
finish
