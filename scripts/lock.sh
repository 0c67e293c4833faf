#!/bin/sh
# Resolves the dependencies for all supported Pythons at once and writes them with their hashes to requirements/.
# usage: lock.sh PYTHON [--upgrade]   Without --upgrade, versions that still fit stay as they are.
set -eu
python=$1
shift
unset UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL

compile() {
    "$python" -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --quiet --custom-compile-command "make lock" "$@"
}

for airflow in 3.3 3.3-celery 3.3-e2e 2.11; do
    # The .in file is a requirement, not a constraint: only that may name extras.
    compile pyproject.toml "requirements/airflow-$airflow.in" --all-extras --group dev \
        --output-file "requirements/airflow-$airflow.txt" "$@"
done
echo "uv" | compile - --output-file requirements/uv.txt "$@"
