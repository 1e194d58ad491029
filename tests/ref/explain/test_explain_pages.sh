#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs/methods/ holds what `pulse-ref explain --all --markdown` writes, and explain refuses what it cannot do.
. tests/support/tap.sh
PULSE=${PULSE:-${BUILD:-build}/pulse-ref}
pages=$tap_folder/pages
check "explain writes the pages of all methods" "$PULSE" explain --all --markdown --out "$pages"
check "docs/methods/ is as the program makes it (if not: build/pulse-ref explain --all --markdown)" diff -r docs/methods "$pages"
check "there is one page for each method, and index.md" test "$(ls "$pages" | wc -l)" = $(($(grep -c '^METHOD(' unlearn/methods.def) + 1))
check "the page of one method can be written alone" "$PULSE" explain npo --markdown --out "$tap_folder/one"
check "the page written alone is the same page, byte for byte" cmp "$tap_folder/one/npo.md" "$pages/npo.md"
json() { "$PULSE" explain npo --json | grep -c '"who"'; }
check "the JSON has one row for each code" test "$(json)" = "$(grep -c '^CODE(npo,' ref/explain/codes.def)"
lines() { "$PULSE" explain "$@" | awk 'length > 120'; }
check "no line on the terminal is over 120 columns" test -z "$(lines npo)$(lines --all)"
refuses() { local want=$1; shift; "$PULSE" explain "$@" 2>&1 | grep -qF -- "$want" && ends 2 "$PULSE" explain "$@"; }
check "a call without a method is refused" refuses "no method is named"
check "an unknown method is refused" refuses "there is no method strolch" strolch
check "a method beside --all is refused" refuses "beside --all" npo --all
check "--out without --markdown is refused" refuses "--out is given without --markdown" npo --out "$tap_folder/x"
check "--json beside --markdown is refused" refuses "--json is given beside --markdown" npo --markdown --json
check "a folder that cannot be made is refused" refuses "$tap_folder/pages/npo.md" npo --markdown --out "$tap_folder/pages/npo.md"
finish
