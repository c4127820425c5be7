#!/bin/sh
# Installs the packages of packages.txt that are missing; does nothing, at once, when all are there. A command of a
# package's name will do, wherever it is from: other builds of nodejs have npm in them and conflict with Debian's.
set -eu
cd "$(dirname "$0")"
wanted=$(sed 's/#.*//' packages.txt)
missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || command -v "$package" >/dev/null || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "installing:$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >&2
