#!/bin/sh
# Installs the Debian packages that some tests and the bench need, unless they are installed.
# usage: install_debian.sh PACKAGE ...   (redis-server, postgresql, chromium)
# The tests do not use the services that these packages start.
set -eu
missing=
for package in "$@"; do
    case $package in
        postgresql) ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 ;;
        libc6-dev) [ -e /usr/include/stdio.h ] ;;
        libssl-dev) [ -e /usr/include/openssl/ssl.h ] ;;
        iproute2) command -v ip > /dev/null ;;
        *) command -v "$package" > /dev/null ;;
    esac || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing$missing ..."
[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || {
    echo "Install$missing and try again: this script needs root and apt-get to do it." >&2
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
