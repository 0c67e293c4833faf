#!/bin/sh
# Runs tests and reports which lines of the package they have not run; fails below the limit in pyproject.toml.
# usage: coverage.sh PYTHON [ARGUMENT OF PYTEST ...]   ADD=1 adds to what earlier runs have measured.
set -eu
python=$1
shift
[ -n "${ADD:-}" ] || "$python" -m coverage erase
status=0
"$python" -m coverage run -m pytest "$@" || status=$?
"$python" -m coverage combine --quiet --append
"$python" -m coverage report || status=$?
exit "$status"
