# SPDX-License-Identifier: MIT
# Sourced by each test_*.sh. Each check is a sentence and a command; if the command fails, its output is shown.
set -u
export LC_ALL=C
tap_count=0 tap_failed=0
tap_folder=$(mktemp -d) || exit 2
trap 'rm -rf "$tap_folder"' EXIT

# check "sentence" command…
check() {
    tap_count=$((tap_count + 1))
    local sentence=$1
    shift
    if "$@" > "$tap_folder/printed" 2>&1; then
        echo "ok $tap_count - $sentence"
    else
        echo "not ok $tap_count - $sentence"
        head -n 40 "$tap_folder/printed" | sed 's/^/# /'
        tap_failed=1
    fi
}

# skip "sentence" "reason"
skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# nothing FILE succeeds if the file is empty; otherwise it shows the file.
nothing() { local found; found=$(cat "$1") && { [ -z "$found" ] || { printf '%s\n' "$found"; false; }; }; }

# ends CODE command… succeeds if the command ends with exactly this status.
ends() {
    local want=$1 got=0
    shift
    "$@" || got=$?
    [ "$got" = "$want" ] || { echo "ended with $got, expected $want: $*"; false; }
}

finish() { echo "1..$tap_count"; exit $tap_failed; }
