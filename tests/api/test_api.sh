#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each block of C in docs/api.md and docs/api-models.md compiles against pulse.h and the shared library, and prints what
# the page says. Each function of pulse.h is called in some block. `bash tests/api/test_api.sh show` prints the output
# of the blocks instead.
. tests/support/tap.sh
BUILD=${BUILD:-build}
pages="docs/api.md docs/api-models.md" found=$tap_folder/found

# blocks KIND: writes each block ```KIND of the pages into a file of its own, KIND.1, KIND.2, …
blocks() { awk -v kind="$1" -v to="$tap_folder/$1." '$0 == "```" kind { n++; on = 1; next } /^```$/ { on = 0 } on { print > (to n) }' $pages; }
blocks "c program"
mv "$tap_folder/c program.1" "$tap_folder/whole.c"
blocks c
blocks text
count=$(find "$tap_folder" -name 'c.*' | wc -l)

{
    printf '#include <math.h>\n#include <pulse.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nstatic pulse_context *ctx;\n'
    echo '#define check(call) do { if ((call) != PULSE_OK) { puts(pulse_error_text(ctx)); exit(1); } } while (0)'
    for k in $(seq "$count"); do echo "static void example_$k(void) {"; cat "$tap_folder/c.$k"; echo '}'; done
    echo 'int main(int argc, char **argv) { (void)argc; check(pulse_open(NULL, &ctx)); switch (atoi(argv[1])) {'
    for k in $(seq "$count"); do echo "case $k: example_$k(); break;"; done
    echo '} pulse_close(ctx); return 0; }'
} > "$tap_folder/examples.c"
mkdir -p "$tap_folder/include"
cp ref/api/pulse.h "$tap_folder/include/"
compiles() {
    # shellcheck disable=SC2046
    $(make -s compiler) -std=c11 -Wall -Wextra -Werror -I"$tap_folder/include" "$tap_folder/$1.c" "$BUILD/libpulseref.so" "-Wl,-rpath,$PWD/$BUILD" -lm -o "$tap_folder/$1"
}
prints() { local want=$1; shift; diff <("$@" 2>&1) "$tap_folder/text.$want"; }

check "docs/api/program.c is the whole program" cmp "$tap_folder/whole.c" docs/api/program.c
check "the whole program compiles" compiles whole
check "the blocks compile" compiles examples
if [ "${1:-}" = show ]; then
    "$tap_folder/whole"
    for k in $(seq "$count"); do echo "--- $k"; "$tap_folder/examples" "$k"; done
    exit
fi
check "the whole program prints what the page says" prints 1 "$tap_folder/whole"
for k in $(seq "$count"); do check "block $k prints what the page says" prints $((k + 1)) "$tap_folder/examples" "$k"; done
for name in $(sed -nE 's/.*PULSE_API .*[ *](pulse_[a-z_]+)\(.*/\1/p' ref/api/pulse.h); do
    cat "$tap_folder"/c.* "$tap_folder/whole.c" | grep -q "\b$name(" || echo "$name"
done > "$found"
check "each function of pulse.h is called in a block" nothing "$found"
finish
