#!/bin/sh
# Runs the tests of the source distribution in dist/ against the wheel in dist/, with the package's sources out of reach.
# usage: test_wheel.sh PYTHON [ARGUMENT OF PYTEST ...]
# The wheel goes into a virtual environment of its own, which finds everything else where PYTHON does: a path in a .pth
# file adds that folder without the .pth files in it, so the editable install of this package is not among it.
set -eu
python=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv --without-pip "$folder/venv"
site() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
site "$python" > "$(site "$folder/venv/bin/python")/everything_else.pth"
"$python" -m pip --python "$folder/venv/bin/python" install --quiet --no-deps --no-index dist/*.whl

mkdir "$folder/tests"
tar -xzf dist/*.tar.gz --strip-components=1 -C "$folder/tests"
rm -r "$folder/tests/airflow_provider_ei"
cd "$folder/tests"
"$folder/venv/bin/python" -m pytest -m "not slow" "$@"
