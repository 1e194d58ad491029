#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Makefile: with which flags a file is compiled, whose build a warning stops, and which sources the digest of the
# sources covers. Also the version in CHANGELOG.md and CITATION.cff.
. tests/support/tap.sh
unset MAKELEVEL MAKEFLAGS MFLAGS

# compiled FILE.c [VARIABLE=VALUE…]: the command with which make, given these variables, would compile the file.
compiled() {
    local object=$(make -s where "${@:2}")/obj/${1%.c}.o
    make -n -W "$1" "$object" "${@:2}" | grep -- " -c $1 "
}
# with, without FILE.c FLAG [VARIABLE=VALUE…]: whether that command has the flag, or lacks it.
with() { compiled "$1" "${@:3}" | grep -q -- " $2 "; }
without() { [ -n "$(compiled "$1" "${@:3}")" ] && ! with "$@"; }

check "a warning does not stop a user's build" without ref/main.c -Werror WERROR=
check "a warning stops the build of a developer, who sets WERROR=1" with ref/main.c -Werror WERROR=1
check "a warning stops the build of .ci/run" grep -q '^export WERROR=1$' .ci/run
check "a*b+c rounds twice" with ref/main.c -ffp-contract=off
check "a*b+c may round once in the kernel of products, where the product is exact" with tensor/product/kernel.c -ffp-contract=fast
check "signed integers wrap in stb_image" with model/image/stb.c -fwrapv
check "signed integers wrap nowhere else" without model/image/decode.c -fwrapv

# The flags are kept in a file, so other flags start a new build, and the same flags build nothing.
if [ "$BUILD" = build ]; then
    check "after a build, there is nothing to do for the same flags" make -q build/flags
    check "other flags start a new build" eval '! make -q build/flags CFLAGS=-DOTHER'
else
    skip "after a build, there is nothing to do for the same flags" "the make variables of the build in $BUILD are not known here"
    skip "other flags start a new build" "the make variables of the build in $BUILD are not known here"
fi

# build/code.h defines PULSE_CODE, a digest of the sources. Every source of the program is part of it, whatever folder
# the source is in.
hashed() { make -n -W "$1" build/code.h | grep -q 'define PULSE_CODE' && make -n -W "$1" build/code.h | tr ' ' '\n' | grep -qx "$1"; }
for file in ref/main.c tensor/base/float.h unlearn/methods/ascent.c ref/digest/digest.def; do
    check "$file changes the digest of the sources" hashed "$file"
done

# The citation and the change log name the version of the program.
version=$(sed -nE 's/^VERSION = (.*)/\1/p' Makefile)
check "CHANGELOG.md has an entry for this version" grep -qE "^## \[$version\]" CHANGELOG.md
check "CITATION.cff names this version" grep -qE "^version: \"?$version\"?$" CITATION.cff
finish
