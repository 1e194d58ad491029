#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs.sh BUILD KIND… [-- PAGE…]: runs the commands that README.md and the pages of docs/ show in blocks marked
#
#     ```sh test       takes seconds; `make test` runs it
#     ```sh python     needs python3 with numpy
#     ```sh long       takes minutes, or the network; `make docs-long` runs all three kinds
#
# The blocks of a page run one after another, in a scratch folder. It holds a copy of the checkout or, without the kind
# long, links to its files and folders; new files are thrown away. Each block is one line of a table, and a block that
# fails also shows its last lines. The last line is "DATE: N ran, N failed", with "N skipped" if numpy is missing. The
# script fails if a block failed or if none ran.
set -u
build=$1
shift
kinds= pages=
while [ $# != 0 ] && [ "$1" != -- ]; do kinds="${kinds:+$kinds }$1"; shift; done
[ $# = 0 ] || shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 2
cd "$root" || exit 2
pages=${*:-README.md docs/*.md}
place=$(mktemp -d) || exit 2
trap 'rm -rf "$place"' EXIT
unset MAKEFLAGS MFLAGS                             # so that a page calls make as a reader does, not as a part of this make
ran=0 failed=0 skipped=0 numpy=yes
python3 -c 'import numpy' 2> /dev/null || numpy=
echo "| page | line | kind | seconds | |"
echo "|---|---|---|---|---|"
for page in $pages; do
    grep -qE "^\`\`\`sh (${kinds// /|})$" "$page" || continue
    mkdir "$place/root"
    # Blocks of the kind long, such as `make deps test`, need real files and folders; for the others links are enough.
    case " $kinds " in
    *" long "*) (cd "$root" && tar cf - --exclude=./build --exclude=./out --exclude=./.git .) | tar xf - -C "$place/root" ;;
    *) ln -s "$root"/* "$root/.ci" "$place/root/" && rm -f "$place/root/out" "$place/root/build" ;;
    esac
    mkdir "$place/root/build"                    # the page says build/pulse-ref, also when BUILD is another folder
    ln -s "$root/$build"/* "$place/root/build/"
    [ -d "$place/root/build/world" ] || { [ ! -d build/world ] || ln -sfn "$root/build/world" "$place/root/build/world"; }
    # Each block becomes a file, named by its line and its kind.
    awk -v to="$place/" '/^```sh (test|long|python)$/ { on = to NR "." $2; next } /^```$/ { on = "" } on { print > on }' "$page"
    for block in $(cd "$place" && ls -1 -- *.test *.long *.python 2> /dev/null | sort -n); do
        kind=${block#*.}
        case " $kinds " in *" $kind "*) ;; *) rm "$place/$block"; continue ;; esac
        if [ "$kind" = python ] && [ -z "$numpy" ]; then
            skipped=$((skipped + 1))
            rm "$place/$block"
            continue
        fi
        start=$(date +%s%N)
        (cd "$place/root" && exec timeout "${DOCS_SECONDS:-3600}" bash -e -o pipefail "$place/$block") > "$place/printed" 2>&1 < /dev/null
        status=$?
        seconds=$((($(date +%s%N) - start) / 100000000))
        ran=$((ran + 1))
        echo "| $page | ${block%%.*} | $kind | $((seconds / 10)).$((seconds % 10)) | $([ $status = 0 ] && echo ok || echo "FAILED ($status)") |"
        [ $status = 0 ] || { failed=$((failed + 1)); tail -n 20 "$place/printed" | sed 's/^/    /'; }
        rm "$place/$block"
    done
    rm -rf "$place/root"
done
echo "$(date -u +%F): $ran ran, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped, for there is no python3 with numpy")"
[ "$failed" = 0 ] && [ "$ran" != 0 ]
