#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make install: a program of another project finds the header and the library through the pkg-config file, and the
# installed program runs.
. tests/support/tap.sh
unset MAKELEVEL
prefix=$tap_folder/prefix
if [ "$(make -s where 2> /dev/null)" != "$BUILD" ]; then
    skip "make install" "this build was made with other make variables than those of the environment"
    finish
fi
cat > "$tap_folder/outsider.c" <<'TEXT'
#include <stdio.h>
#include <pulse.h>
int main(void)
{
    pulse_context *ctx;
    float x = 1, y = -1;
    pulse_tensor in = { PULSE_F32, 0, { 0 }, &x }, out = { PULSE_F32, 0, { 0 }, &y };
    pulse_status status = pulse_open(NULL, &ctx) == PULSE_OK ? pulse_op(ctx, "exp", &in, 1, NULL, 0, NULL, 0, &out) : pulse_error_kind(ctx);
    printf("%a\n", (double)y);
    pulse_close(ctx);
    return status;
}
TEXT
pc=$prefix/lib/pkgconfig/pulseref.pc
# field NAME: the field NAME of the pkg-config file, read without pkg-config.
field() { sed -nE "s/^$1: //p" "$pc" | sed "s|\${libdir}|$prefix/lib|; s|\${includedir}|$prefix/include|"; }
compiles() {
    # shellcheck disable=SC2046
    $(make -s compiler) "$tap_folder/outsider.c" $(field Cflags) $(field Libs) -o "$tap_folder/outsider" &&
        $(make -s compiler) "$tap_folder/outsider.c" $(field Cflags) "$prefix/lib/libpulseref.a" $(field Libs.private) -o "$tap_folder/outsider-static"
}
exactly() {
    [ "$(LD_LIBRARY_PATH=$prefix/lib "$tap_folder/outsider")" = 0x1.5bf0a8p+1 ] && [ "$("$tap_folder/outsider-static")" = 0x1.5bf0a8p+1 ]
}

check "make install PREFIX=FOLDER succeeds" make -s install PREFIX="$prefix"
check "the installed program says its version" grep -q "^pulse-ref " <("$prefix/bin/pulse-ref" --version)
check "the man page is installed" test -s "$prefix/share/man/man1/pulse-ref.1"
check "a program of another project is compiled with what pulseref.pc says" compiles
check "the program of another project computes e, correctly rounded" exactly
if command -v pkg-config > /dev/null; then
    check "pkg-config reads pulseref.pc" env PKG_CONFIG_PATH="$prefix/lib/pkgconfig" pkg-config --exists pulseref
fi
finish
