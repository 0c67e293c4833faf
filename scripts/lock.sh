#!/bin/sh
# Resolves the dependencies anew, for all supported Pythons at once, and writes them with their hashes.
# usage: lock.sh PYTHON
set -eu
unset UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL
for airflow in 3.3 3.3-celery 3.3-e2e 2.11; do
    # The .in file is a requirement, not a constraint: only that may name extras.
    "$1" -m uv pip compile pyproject.toml "requirements/airflow-$airflow.in" --extra dev \
        --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --upgrade --quiet \
        --custom-compile-command "make lock" --output-file "requirements/airflow-$airflow.txt"
done
echo "uv" | "$1" -m uv pip compile - --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --upgrade --quiet --custom-compile-command "make lock" --output-file requirements/uv.txt
