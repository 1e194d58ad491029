#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The determinism matrix. All processors, engines, core types, threads, compilers and optimisation levels must give one
# digest; the world's generator must write the recorded files; a run must not change if another processor does a stage.
# A row counts only if the program itself confirms what the row names (`doctor --json`, or OpenBLAS's core name). Fails
# if a digest differs, if a row is not what it names, or if an axis has fewer rows than `least` asks for. A library that
# cannot be opened, and a core type that the library does not select, are no failures: they do not count.
set -u
shopt -s nocasematch
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export LC_ALL=C OMP_WAIT_POLICY=passive OMP_DYNAMIC=false
unset OPENBLAS_CORETYPE OMP_NUM_THREADS OPENBLAS_NUM_THREADS
declare -A count=([world]=0 [stage]=0 [processors]=0 [engines]=0 [cores]=0 [threads]=0 [compilers]=0 [levels]=0)
declare -A least=([world]=4 [stage]=1 [processors]=2 [engines]=3 [cores]=6 [threads]=4 [compilers]=2 [levels]=3)
first="" wrong=0 rows=0
log=$(mktemp) || exit 2
tap_folder=$(mktemp -d) || exit 2
trap 'rm -rf "$log" "$tap_folder"' EXIT
. tests/ref/run/few.sh

row() { printf '%-11s %-34s %-20s %s\n' "$1" "$2" "$3" "$4"; }

# made CHOICES…: builds the program with these variables of make, and leaves its path in $pulse.
made() {
    pulse=$(make --no-print-directory -s "$@" where 2> /dev/null)/pulse-ref
    make --no-print-directory -s "$@" > "$log" 2>&1
}

# measure AXIS NAME FACT VALUE COMMAND…: FACT in `COMMAND doctor --json` must match VALUE; then the digest is compared.
measure() {
    local axis=$1 name=$2 fact=$3 value=$4 printed total
    shift 4
    printed=$("$@" doctor --json 2> "$log" | sed -nE "s/^ *\"$fact\": \"?([^\"]*)\"?,?\$/\1/p")
    if ! [[ $printed =~ $value ]]; then
        if [ "$axis" = engines ] && [ -n "$printed" ]; then      # a library that is not opened is not counted
            row "$axis" "$name" "-" "not counted: the built-in kernel takes its place, because the library cannot be opened"
        elif [ "$axis" = cores ]; then       # a core type that the library does not select is not counted
            row "$axis" "$name" "-" "not counted: $([ -n "$printed" ] && echo "the library took ${printed##*kernel }" || echo "this processor cannot run it")"
        else
            row "$axis" "$name" "-" "is not what it names: $fact is '${printed:-$(head -n 1 "$log")}'"
            wrong=$((wrong + 1))
        fi
        return
    fi
    total=$("$@" digest 2> "$log" | sed -n 's/^total //p')
    rows=$((rows + 1))
    first=${first:-$total}
    if [ -z "$total" ]; then
        row "$axis" "$name" "-" "no digest: $(head -n 1 "$log")"
        wrong=$((wrong + 1))
    elif [ "$total" != "$first" ]; then
        row "$axis" "$name" "${total:0:16}" "DIFFERENT"
        wrong=$((wrong + 1))
    else
        row "$axis" "$name" "${total:0:16}" same
        count[$axis]=$((count[$axis] + 1))
    fi
}

# build AXIS NAME FACT VALUE CHOICES…: measures a build with these choices.
build() {
    local axis=$1 name=$2 fact=$3 value=$4
    shift 4
    if ! made "$@"; then
        row "$axis" "$name" "-" "not built: $(grep -m 1 -E 'error|cannot find|No such' "$log" || tail -n 1 "$log")"
        return
    fi
    measure "$axis" "$name" "$fact" "$value" ${through:-} "$pulse"
}

# world NAME RUNNER CHOICES…: the generator, built with these choices, must write the recorded world and streams. RUNNER
# is an emulator, or empty.
world() {
    local name=$1 runner=$2 fixtures=$PWD/fixtures/world folder generator
    shift 2
    generator=$(make --no-print-directory -s "$@" where 2> /dev/null)/worldgen
    folder=$(mktemp -d) || exit 2
    if ! make --no-print-directory -s "$@" "$generator" > "$log" 2>&1; then
        row world "$name" "-" "not built: $(grep -m 1 -E 'error|cannot find|No such' "$log" || tail -n 1 "$log")"
    elif $runner "$generator" "$folder" > "$log" 2>&1 && (cd "$folder" && sha256sum --quiet -c "$fixtures/SHA256SUMS" "$fixtures/streams.sha256") > "$log" 2>&1; then
        row world "$name" "$(sha256sum < "$fixtures/SHA256SUMS" | cut -c 1-16)" same
        count[world]=$((count[world] + 1))
    else
        row world "$name" "-" "DIFFERENT: $(head -n 1 "$log")"
        wrong=$((wrong + 1))
    fi
    rm -rf "$folder"
}

# stage NAME RUNNER PROGRAM: PROGRAM, in the emulator RUNNER, does the first unlearning of a run, and $main the other
# stages; the manifest must be that of a run of $main alone.
stage() {
    local name=$1 runner=$2 program=$3 digest here=$tap_folder/here there=$tap_folder/there
    [ -e "$here/manifest.json" ] || PULSE=$main few_run --out "$here" 2> "$log"
    digest=$(PULSE=$main few_stage finetuned/ga/proj+llm/seed0)
    rm -rf "$there"
    cp -r "$here" "$there" && rm -r "$there/stages/$digest" "$there"/*.* &&
        { FEW_THROUGH=$runner PULSE=$program few_run --out "$there" --stage "$digest" && PULSE=$main few_run --out "$there"; } 2> "$log"
    if cmp "$here/manifest.json" "$there/manifest.json" 2>> "$log" >> "$log"; then
        row stage "$name" "$(sha256sum < "$there/manifest.json" | cut -c 1-16)" same
        count[stage]=$((count[stage] + 1))
    else
        row stage "$name" "-" "DIFFERENT: $(head -n 1 "$log")"
        wrong=$((wrong + 1))
    fi
}

# foreign ARCH TRIPLET QEMU MACHINE: measures another processor, emulated, with the built-in engine.
foreign() {
    local root choices
    root=$(pwd)/build/sysroot/$1
    choices=(CROSS="$2-" SYSROOT="$root" BLAS=builtin LDFLAGS=-static)
    if ! command -v "$3" > /dev/null || ! command -v "$2-gcc" > /dev/null; then
        row processors "$4" "-" "not tried: $3 or $2-gcc is missing; make deps-extra installs both"
    elif ! bash tests/sysroot.sh "$1" "$root" 2> "$log"; then
        row processors "$4" "-" "not tried: $(head -n 1 "$log")"
    elif ! made "${choices[@]}"; then
        row processors "$4" "-" "not built: $(grep -m 1 error "$log" || tail -n 1 "$log")"
    else
        measure processors "$4, emulated" machine " $4\$" "$3" "$pulse"
        world "$4, emulated" "$3" "${choices[@]}"
        [ "$1" != arm64 ] || stage "a stage by $4, emulated" "$3" "$pulse"
    fi
}

row AXIS CONFIGURATION DIGEST VERDICT
made || { cat "$log"; exit 2; }
main=$pulse
measure processors "$(uname -m)" machine " $(uname -m)\$" "$main"
foreign arm64 aarch64-linux-gnu qemu-aarch64 aarch64
foreign s390x s390x-linux-gnu qemu-s390x s390x

# The rows above leave small products to the built-in kernel; here the library computes all products.
library="env PULSE_BLAS=always"
measure engines openblas engine "^openblas\$" $library "$main"
for engine in netlib blis builtin; do
    through=$library build engines $engine engine "^$engine\$" BLAS=$engine
done

case $(uname -m) in
x86_64)  cores="Prescott Core2 Penryn Dunnington Nehalem Sandybridge Haswell SkylakeX Cooperlake Sapphirerapids Atom Barcelona Bobcat
                Bulldozer Piledriver Steamroller Excavator Zen" ;;
aarch64) cores="ARMV8 CORTEXA53 CORTEXA57 CORTEXA72 CORTEXA73 FALKOR THUNDERX THUNDERX2T99 TSV110 EMAG8180 NEOVERSEN1" ;;
*)       cores="" ;;
esac
for core in $cores; do
    OPENBLAS_CORETYPE=$core measure cores "OPENBLAS_CORETYPE=$core" engine_selected ", kernel $core\$" $library OPENBLAS_CORETYPE=$core "$main"
done 2> /dev/null

for n in 1 2 3 8; do
    measure threads "$n threads" threads "^$n\$" env OMP_NUM_THREADS=$n "$main"
done

build compilers gcc compiler "^gcc" CC=gcc
build compilers clang compiler "^clang" CC=clang
build levels "-O0" optimisation "^-O0\$" OPT=-O0
build levels "-O2" optimisation "^-O2\$" OPT=-O2
build levels "-O3 -march=native" optimisation "^-O3 -march=native\$" OPT="-O3 -march=native"

world gcc "" CC=gcc
world clang "" CC=clang
world "-O0" "" OPT=-O0

echo
for axis in world stage processors engines cores threads compilers levels; do
    verdict=""
    [ "${count[$axis]}" -lt "${least[$axis]}" ] && { verdict="  TOO FEW"; wrong=$((wrong + 1)); }
    printf '%-11s %2d the same, at least %d%s\n' "$axis" "${count[$axis]}" "${least[$axis]}" "$verdict"
done
echo
if [ $wrong = 0 ]; then
    echo "$rows configurations, one digest: $first"
else
    echo "$wrong things are wrong among $rows configurations"
    exit 1
fi
