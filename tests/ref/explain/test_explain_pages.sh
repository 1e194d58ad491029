#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The pages of docs/methods/ are as `pulse-ref explain --all --markdown` makes them, and what explain cannot do it refuses.
. tests/support/tap.sh
PULSE=${PULSE:-${BUILD:-build}/pulse-ref}
pages=$tap_folder/pages
check "explain writes the pages of all methods" "$PULSE" explain --all --markdown --out "$pages"
check "docs/methods/ is as the program makes it (or: build/pulse-ref explain --all --markdown)" diff -r docs/methods "$pages"
check "there is a page a method, and index.md" test "$(ls "$pages" | wc -l)" = $(($(grep -c '^METHOD(' unlearn/methods.def) + 1))
check "a method alone has the same page" "$PULSE" explain npo --markdown --out "$tap_folder/one"
check "to the byte" cmp "$tap_folder/one/npo.md" "$pages/npo.md"
json() { "$PULSE" explain npo --json | grep -c '"who"'; }
check "the JSON has a row a code" test "$(json)" = "$(grep -c '^CODE(npo,' ref/explain/codes.def)"
lines() { "$PULSE" explain "$@" | awk 'length > 120'; }
check "no line for people is over 120 columns" test -z "$(lines npo)$(lines --all)"
refuses() { local want=$1; shift; "$PULSE" explain "$@" 2>&1 | grep -qF -- "$want" && ends 2 "$PULSE" explain "$@"; }
check "no method is refused" refuses "no method is named"
check "an unknown method is refused" refuses "there is no method strolch" strolch
check "a method beside --all is refused" refuses "beside --all" npo --all
check "--out without --markdown is refused" refuses "--out is given without --markdown" npo --out "$tap_folder/x"
check "--json beside --markdown is refused" refuses "--json is given beside --markdown" npo --markdown --json
check "a folder that cannot be made is refused" refuses "$tap_folder/pages/npo.md" npo --markdown --out "$tap_folder/pages/npo.md"
finish
