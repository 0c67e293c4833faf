#!/bin/sh
# Installs what tests/celery runs beside Airflow, from Debian's packages, unless it is there: Redis and PostgreSQL.
# Services that the packages start are not used and not touched.
set -eu
missing=
command -v redis-server > /dev/null || missing="$missing redis-server"
ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0

echo "Installing$missing ..."
[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || {
    echo "Only root can do that, with apt-get. Install them, and try again." >&2
    exit 1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
{ apt-get update && apt-get install -y --no-install-recommends $missing; } > "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    exit 1
}
