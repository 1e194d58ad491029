#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sysroot.sh ARCH FOLDER: unpacks Debian's libraries for another processor (arm64, s390x) into FOLDER, for static links.
# It needs no root and does not touch the system's own package lists: apt keeps its state in FOLDER.
set -u
arch=$1 folder=$2
packages="libjansson-dev libinih-dev libmd-dev libstb-dev"
[ -e "$folder/done" ] && exit 0
command -v apt-get > /dev/null && command -v dpkg > /dev/null ||
    { echo "libraries for $arch are fetched with apt, which this system does not have" >&2; exit 2; }
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/debs" && cd "$folder" || exit 2
here=$(pwd)
: > apt/status
apt=(apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$here/apt" -o Dir::State::lists="$here/apt/lists"
     -o Dir::State::status="$here/apt/status" -o Dir::Cache="$here/apt/cache" -o Acquire::Languages=none -o APT::Sandbox::User="")
# shellcheck disable=SC2086
if ! { "${apt[@]}" update && cd debs && "${apt[@]}" download $packages; } > "$here/log" 2>&1; then
    echo "Debian's packages for $arch could not be had: $(tail -n 1 "$here/log")" >&2
    exit 2
fi
for package in *.deb; do
    dpkg -x "$package" "$here" || exit 2
done
rm -rf "$here/apt" "$here/debs"
: > "$here/done"
