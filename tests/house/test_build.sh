#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Makefile: which flags a file is compiled with, whose build a warning stops, and what a changed source changes.
. tests/support/tap.sh
unset MAKELEVEL MAKEFLAGS MFLAGS

# compiled FILE.c [WORD=VALUE…]: the command that would compile it.
compiled() {
    local object=$(make -s where "${@:2}")/obj/${1%.c}.o
    make -n -W "$1" "$object" "${@:2}" | grep -- " -c $1 "
}
with() { compiled "$1" "${@:3}" | grep -q -- " $2 "; }
without() { [ -n "$(compiled "$1" "${@:3}")" ] && ! with "$@"; }

check "a warning does not stop a user's build" without ref/main.c -Werror WERROR=
check "it stops the build of a developer, who sets WERROR=1" with ref/main.c -Werror WERROR=1
check "and that of .ci/run" grep -q '^export WERROR=1$' .ci/run
check "a*b+c rounds twice" with ref/main.c -ffp-contract=off
check "but in the kernel of products, where the product is exact" with tensor/product/kernel.c -ffp-contract=fast
check "signed integers wrap in stb_image" with model/image/stb.c -fwrapv
check "and nowhere else" without model/image/decode.c -fwrapv

# The commands are kept in a file, so that other flags build again, and the same flags build nothing.
if [ "$BUILD" = build ]; then
    check "after a build, there is nothing to do for the same flags" make -q build/flags
    check "other flags build again" eval '! make -q build/flags CFLAGS=-DOTHER'
else
    skip "after a build, there is nothing to do for the same flags" "the choices of $BUILD are not known here"
    skip "other flags build again" "the choices of $BUILD are not known here"
fi

# Every source of the program is part of PULSE_CODE, whatever folder it stands in.
hashed() { make -n -W "$1" build/code.h | grep -q 'define PULSE_CODE' && make -n -W "$1" build/code.h | tr ' ' '\n' | grep -qx "$1"; }
for file in ref/main.c tensor/base/float.h unlearn/methods/ascent.c ref/digest/digest.def; do
    check "$file changes the digest of the sources" hashed "$file"
done

# The names that citation and change log give are those of the program.
version=$(sed -nE 's/^VERSION = (.*)/\1/p' Makefile)
check "CHANGELOG.md has an entry for this version" grep -qE "^## \[$version\]" CHANGELOG.md
check "CITATION.cff names this version" grep -qE "^version: \"?$version\"?$" CITATION.cff
finish
