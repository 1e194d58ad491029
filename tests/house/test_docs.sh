#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What stands in two places is the same: REPRODUCE.md carries the methods' table as the program prints it; full.ini, the settings of methods.ini. `bash tests/house/test_docs.sh renew` puts the present one there.
BUILD=${BUILD:-build} PULSE=${PULSE:-$BUILD/pulse-ref}
. tests/support/tap.sh
page=REPRODUCE.md begin='<!-- pulse-ref list methods -->' end='<!-- end -->'

# `list methods --json` has a line a value; a bar would end a cell.
table() {
    echo '| method | needs | defaults | formula | source |'
    echo '|---|---|---|---|---|'
    "$PULSE" list methods --json | sed -nE 's/^    "(name|needs|defaults|formula|source)": ("(.*)"|null),?$/\1 \3/p' | sed 's/\\"/"/g; s/|/\\|/g' | awk '
        { key = $1; value = substr($0, length(key) + 2) }
        key == "name" { name = value; defaults = "" }
        key == "needs" { needs = value }
        key == "defaults" { defaults = value }
        key == "formula" { formula = value }
        key == "source" { print "| `" name "` | " needs " | " defaults " | `" formula "` | " value " |" }'
}
carried() { sed -n "/^$begin\$/,/^$end\$/p" "$page" | sed '1d;$d'; }

if [ "${1:-}" = renew ]; then
    table > "$tap_folder/table"
    sed -i -e "/^$begin\$/,/^$end\$/{//!d}" -e "/^$begin\$/r $tap_folder/table" "$page"
    exit
fi
check "the table has a line a method" sh -c "[ \$(grep -c '^METHOD(' unlearn/methods.def) = $(table | tail -n +3 | grep -c '^| `')"' ]'
check "REPRODUCE.md carries it as it is now (or: bash tests/house/test_docs.sh renew)" diff <(table) <(carried)
own() { sed -n '/^\[method\./,$p' "fixtures/configs/$1" | grep -v '^;'; }
check "full.ini gives each method what methods.ini gives it" diff <(own methods.ini) <(own full.ini)
finish
