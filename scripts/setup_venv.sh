#!/bin/sh
# Creates a virtual environment with exactly the packages of a lock file, and this package, editable.
# usage: setup_venv.sh PYTHON VENV LOCK_FILE
set -eu
python=$1 venv=$2 lock=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Run make PYTHON=python3.12 ...: Python 3.11 or newer is needed, '$python' is $("$python" --version 2>&1)." >&2
    exit 1
}
begun=$(date +%s)
airflow=$(sed -n 's/^apache-airflow==\([^ ]*\).*/\1/p' "$lock")
echo "Setting up $venv (once, about a minute): Airflow $airflow and $(grep -c '==' "$lock") packages in all, from $lock ..."

# Write bytecode now, even if the environment says not to: without it, each start of Airflow takes seconds longer.
unset PYTHONDONTWRITEBYTECODE
rm -rf "$venv"
"$python" -m venv "$venv"
py="$venv/bin/python"
export PIP_DISABLE_PIP_VERSION_CHECK=1

# uv is ten times as fast as pip but does not read pip's configuration; if only that names an index, pip installs.
{
    "$py" -m pip install --quiet --require-hashes -r requirements/uv.txt &&
        "$py" -m uv pip install --quiet --python "$py" --compile-bytecode --require-hashes -r "$lock"
} || "$py" -m pip install --quiet --require-hashes -r "$lock"
"$py" -m pip install --quiet --no-deps --no-build-isolation --editable .
echo "$venv is ready: $(($(date +%s) - begun)) s"
