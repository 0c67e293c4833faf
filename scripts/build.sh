#!/bin/sh
# Builds the source distribution, and the wheel from what is in it, into dist/.
# usage: build.sh PYTHON
set -eu
case $1 in
*/*) python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") ;;
*) python=$1 ;;
esac
rm -rf dist
"$python" -m hatchling build --target sdist --directory "$PWD/dist" > /dev/null
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf dist/*.tar.gz --strip-components=1 -C "$unpacked"
(dist=$PWD/dist && cd "$unpacked" && "$python" -m hatchling build --target wheel --directory "$dist" > /dev/null)
ls dist/*
