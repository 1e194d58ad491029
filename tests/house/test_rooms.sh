#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The rules for the sources: dependencies run one way through the rooms tensor/, model/, unlearn/, eval/ and ref/, files
# are short, and the library calls nothing whose answer depends on the machine.
. tests/support/tap.sh
BUILD=${BUILD:-build}
found=$tap_folder/found
rooms=$(for room in tensor model unlearn eval ref; do [ -d $room ] && echo $room; done)
rank() { case $1 in tensor) echo 1;; model) echo 2;; unlearn) echo 3;; eval) echo 4;; ref) echo 5;; tests) echo 6;; *) echo 0;; esac; }
sources() { find $rooms tests fixtures -name '*.[ch]' -o -name '*.def' ! -name rooms.def | sort; }
# The limits: lines of a file, unless its first lines say why it is "longer than 400 lines"; sources and headers of a
# folder; columns of a line, unless the first lines of its file say why they are "longer than 140 columns".
most_lines=400 most_files=25 most_columns=140

for file in $(find $rooms -name '*.[ch]'); do
    for room in $(sed -nE 's/^ *# *include +"([a-z]+)\/.*/\1/p' "$file" | sort -u); do
        [ "$(rank "$room")" -gt "$(rank "${file%%/*}")" ] && echo "$file includes from $room/"
    done
done > "$found"
check "each room of the order tensor, model, unlearn, eval, ref includes only from itself and from rooms before it" nothing "$found"

# places: prints "FILE LINE" for each source of a room. LINE is the number of the line of rooms.def that names FILE.
places() {
    for room in $rooms; do
        sed -E 's/#.*//' $room/rooms.def | awk -v room=$room 'NF { print room, NR, $0 }'
    done | while read -r room line first rest; do
        if [ "$first" = . ]; then
            for name in $rest; do ls $room/$name.c $room/$name.h $room/$name.def 2> /dev/null | sed "s/\$/ $line/"; done
        else
            find "$room/${first%/}" -name '*.[ch]' -o -name '*.def' | sed "s/\$/ $line/"
        fi
    done
}
places | sort > "$tap_folder/places"
{ cut -d' ' -f1 "$tap_folder/places" | uniq -d | sed 's/$/: named twice/'
  comm -3 <(cut -d' ' -f1 "$tap_folder/places" | uniq) <(find $rooms -name '*.[ch]' -o -name '*.def' ! -name rooms.def | sort) | sed 's/^\t//; s/$/: named in no rooms.def/'
} > "$found"
check "rooms.def names each source once" nothing "$found"

grep -nE '^ *# *include +"' $(cut -d' ' -f1 "$tap_folder/places") | sed -nE 's/^([^:]+):[0-9]+: *# *include +"([^"]+)".*/\1 \2/p' |
    awk 'NR == FNR { line[$1] = $2; next }
         substr($1, 1, index($1, "/")) == substr($2, 1, index($2, "/")) && line[$2] > line[$1] { print $1 " includes " $2 ", which is further down in rooms.def" }' \
        "$tap_folder/places" - > "$found"
check "inside a room, each file includes only from its own line of rooms.def and from those above" nothing "$found"

grep -nE '^ *# *include +"' $(sources) | grep -vE '"(tensor|model|unlearn|eval|ref|fixtures|tests)/' > "$found"
check "the path of each include begins with a room" nothing "$found"

sources | xargs wc -l | awk -v most=$most_lines '$2 != "total" && $1 > most { print $2, $1 }' | while read -r file lines; do
    head -n 12 "$file" | grep -q "longer than $most_lines lines" || echo "$file: $lines lines"
done > "$found"
check "no file is longer than $most_lines lines without saying why" nothing "$found"

# Under the C locale awk counts bytes, so the second and later bytes of a character are taken away first.
for file in $(sources) $(find $rooms -name rooms.def) $(find fixtures -name '*.[ch]' -o -name '*.def'); do
    head -n 12 "$file" | grep -q "longer than $most_columns columns" && continue
    awk -v file="$file" -v most=$most_columns '{ gsub(/[\200-\277]/, "") } length > most { print file ":" NR ": " length " columns" }' "$file"
done > "$found"
check "no line is longer than $most_columns columns without a reason in its file" nothing "$found"

find $rooms tests fixtures -name '*.[ch]' | sed 's|/[^/]*$||' | sort | uniq -c | awk -v most=$most_files '$1 > most { print $2 ": " $1 " sources and headers" }' > "$found"
check "no folder holds more than $most_files sources and headers" nothing "$found"

for file in $(sources) Makefile $(find tests .ci -name '*.sh'); do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file"
done > "$found"
check "each file names its licence" nothing "$found"

{ git ls-files 2> /dev/null | grep . || find . -type f | sed 's/^\.\///'; } | cut -d/ -f1 | sort -u |
    grep -vxE "tensor|model|unlearn|eval|ref|fixtures|tests|docs|\.ci|Makefile|README\.md|REPRODUCE\.md|CHANGELOG\.md|CITATION\.cff|LICENSE|\.git|\.gitignore|\.gitattributes|\.clang-format|\.clang-tidy|\.editorconfig|build|out" > "$found"
check "nothing is outside the agreed folders" nothing "$found"

grep -nE -- '-ffast-math|-Ofast|-funsafe-math|-fassociative-math|-mrecip' Makefile .ci/* > "$found"
check "no flag lets the compiler change the arithmetic" nothing "$found"

# What the library calls is read from its object files, so that comments do not count and macros do. libm is not
# correctly rounded; qsort is not stable; strtod and friends obey the locale; getenv is not safe beside threads; and a
# library must not exit, abort or print, nor set the locale.
banned='exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|sincos|tan|tanh|sinh|cosh|erf|erfc|tgamma|lgamma|hypot|cbrt|fmod|rand|random|drand48|qsort|qsort_r'
banned="($banned)f?l?|strto(d|f|ld)|atof|atoi|scanf|sscanf|setlocale|time|clock|gettimeofday|localtime|getenv|secure_getenv|exit|_exit|abort|printf|vprintf|puts|putchar|perror|stdout|stderr"
# Why these calls are allowed: stb.o holds only the picture libraries, which bring their own memory and code for formats
# that are never decoded; decimal.o reads under the "C" locale of its own thread, and glibc and musl round decimals
# correctly; store*.o and weights.o sort by unique names; team.o reads OMP_NUM_THREADS once, as OpenMP did, and no
# answer depends on the number of threads.
allowed='^(stb\.o: (pow|ldexp|abort|malloc|calloc|realloc)|decimal\.o: strto[fd]|(store(_write)?|weights)\.o: qsort|team\.o: getenv)$'
# Of ref/, only the objects in the public library are checked.
members=$(sed -nE 's/^\(.*libref\.a\)([a-z_0-9]+\.o)$/\1/p; s|.*/ref/api/([a-z_0-9]+\.o)$|\1|p' "$BUILD/pulse.members" 2> /dev/null | paste -sd'|')
{ nm -A -u "$BUILD/libinside.a"; nm -A -u "$BUILD/libref.a" | grep -E "^[^:]*:(${members//./\\.}):"; } 2> /dev/null | sed -E 's/^[^:]*:([^:]*):.* ([A-Za-z_0-9]+)(@.*)?$/\1: \2/' | sort -u > "$tap_folder/calls"
grep -E "^[^ ]+: ($banned|__isoc99_sscanf)$" "$tap_folder/calls" | grep -vE "$allowed" > "$found"
check "the object files of the library can be read" grep -q '^trainers\.o: ' "$tap_folder/calls"
check "the library calls nothing whose answer depends on machine, locale or time, and never exits or prints" nothing "$found"

grep -E ': (malloc|calloc|realloc)$' "$tap_folder/calls" | grep -vE "^arena\.o|$allowed" > "$found"
check "only the arena asks the system for memory" nothing "$found"

grep -lE 'include[ <"]+cblas' $(find $rooms -name '*.[ch]') | grep -vE '^tensor/product/' > "$found"
check "only the matrix product knows BLAS" nothing "$found"

# jansson's builders return -1 when memory runs out; json_add, json_put and json_join remember it. store_write.c checks
# each result.
grep -nE 'json_(array_(append|insert|extend|set)|object_(set|update|del_new))[a-z_]*\(|json_dump(s|f|_file|_callback)\(' $(find $rooms -name '*.c' ! -path tensor/base/json.c ! -path tensor/store_write.c) > "$found"
check "no JSON with a missing part can be built or written" nothing "$found"

if python3 --version > /dev/null 2>&1; then
    python3 tests/house/order.py > "$found" 2>&1
    check "no call makes nodes of a tape in two of its arguments, whose order compilers choose" nothing "$found"
else
    skip "no call makes nodes of a tape in two of its arguments, whose order compilers choose" "python3 is not installed"
fi

# The largest sizes of files are defined in one place, tensor/base/limits.def.
grep -nE '[ (!=](file_read|file_text|json_file|json_file_wide)\(' $(find $rooms -name '*.c' ! -path 'tensor/base/*') | grep -vE ', (LIMIT_[A-Z_]+|CONTAINER_BYTES_MAX|limit), ?|, LIMIT_[A-Z_]+, ' > "$found"
check "every file is read with a limit of limits.def" nothing "$found"

finish
