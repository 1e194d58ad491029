#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing from the distribution's packages: `deps.sh needed` (build, run, test) or `deps.sh extra`
# (make matrix, make fuzz, workflows). Does nothing, and needs no root, when nothing is missing. To find out, it
# compiles a small program; it does not read the list of installed packages.
set -u

apt_needed="gcc libc6-dev make libopenblas0-openmp libstb-dev libinih-dev libjansson-dev libmd-dev libcmocka-dev libmpfr-dev"
dnf_needed="gcc glibc-devel make openblas-openmp stb_image-devel stb_image_write-devel inih-devel jansson-devel libmd-devel libcmocka-devel mpfr-devel"
apt_extra="clang libclang-rt-dev valgrind libblas3 libblis4-openmp qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-s390x-linux-gnu libc6-dev-s390x-cross snakemake"
dnf_extra="clang compiler-rt valgrind blas blis-openmp qemu-user gcc-aarch64-linux-gnu gcc-s390x-linux-gnu"

# True if the compiler finds every header, and the linker every library. OpenBLAS is only opened when the program runs,
# so it is enough that its file exists.
needed_is_there() {
    machine=$("${CC:-gcc}" -dumpmachine 2>/dev/null | sed 's/-pc-/-/;s/-unknown-/-/') || return 1
    [ -n "$machine" ] || return 1
    blas=
    for file in "/usr/lib/$machine/openblas-openmp/libopenblas.so.0" /usr/lib64/libopenblaso.so.0; do
        [ -e "$file" ] && blas=$file
    done
    [ -n "$blas" ] || return 1
    probe=$(mktemp -d) || return 1
    cat > "$probe/probe.c" <<'TEXT'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <cmocka.h>
#include <ini.h>
#include <jansson.h>
#include <mpfr.h>
#include <sha2.h>
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
int main(void) { return 0; }
TEXT
    "${CC:-gcc}" "$probe/probe.c" -linih -ljansson -lmd -lcmocka -lmpfr -lgmp -lm -o "$probe/probe" 2>/dev/null
    there=$?
    rm -rf "$probe"
    return $there
}

# True if every program is found, and the cross compilers and clang can link what make matrix and make fuzz build.
extra_is_there() {
    for program in clang valgrind qemu-aarch64 qemu-s390x aarch64-linux-gnu-gcc s390x-linux-gnu-gcc $(command -v apt-get > /dev/null && echo snakemake); do
        command -v "$program" >/dev/null || return 1
    done
    for cross in aarch64-linux-gnu-gcc s390x-linux-gnu-gcc; do
        printf '#include <stdio.h>\nint main(void) { return puts(""); }\n' | "$cross" -static -x c - -o /dev/null 2>/dev/null || return 1
    done
    echo 'int main(void) { return 0; }' | clang -fsanitize=address,fuzzer-no-link -x c - -o /dev/null 2>/dev/null || return 1
    machine=$("${CC:-gcc}" -dumpmachine 2>/dev/null | sed 's/-pc-/-/;s/-unknown-/-/')
    ls "/usr/lib/$machine/blas/libblas.so.3" "/usr/lib/$machine/blis-openmp/libblis.so.4" >/dev/null 2>&1 || ls /usr/lib64/libcblas.so.3 /usr/lib64/libbliso.so.4 >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "make deps: packages are missing and installing them needs root; please run as root: $*" >&2
        exit 2
    fi
}

what=${1:-needed}
"${what}_is_there" && exit 0

if command -v apt-get >/dev/null; then
    eval "list=\$apt_$what"
    as_root sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $list" || exit 2
elif command -v dnf >/dev/null; then
    eval "list=\$dnf_$what"
    # shellcheck disable=SC2086
    as_root dnf install -y $list || exit 2
else
    eval "list=\$apt_$what"
    echo "make deps: this system has neither apt nor dnf, so please install these by hand (names as in Debian): $list" >&2
    exit 2
fi

if ! "${what}_is_there"; then
    echo "make deps: packages were installed, but the compiler ${CC:-gcc} still does not find all of: $list" >&2
    exit 2
fi
