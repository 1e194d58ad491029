#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# keep.sh BUILD [TARGET…]: `make fuzz` has put inputs into BUILD/fuzz/corpus/TARGET; this writes the best of them into
# tests/fuzz/corpus/TARGET.tar.gz, for these targets or for all. BUILD must have libFuzzer. First libFuzzer selects
# inputs of at most 16 KB that together reach the same code as all of them. If these are more than 60, only the 60
# smallest are written.
set -eu
build=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work OMP_NUM_THREADS=1
mkdir -p tests/fuzz/corpus
targets=$(env -u PULSE_FUZZ "$build/fuzz_parsers")
[ $# = 0 ] || targets=$*
for target in $targets; do
    mkdir -p "$work/$target" "$work/few"
    echo "$target"; PULSE_FUZZ=$target "$build/fuzz_parsers" -merge=1 -max_len=16384 "$work/$target" "$build/fuzz/corpus/$target" > /dev/null 2>&1
    find "$work/$target" -type f -size -33 -printf '%s %p\n' | sort -n | head -n 60 | while read -r _ file; do cp "$file" "$work/few"; done
    tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -C "$work/few" . | gzip -9n > "tests/fuzz/corpus/$target.tar.gz"
    rm -rf "$work/few"
done
