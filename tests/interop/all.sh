#!/bin/sh
# Runs each tests/interop/NAME.py (or NAME.py of the folder SCRIPTS) with the given arguments and sums up: "N passed, N failed, N skipped". A script that
# doesn't count its checks is one.
#
# usage: all.sh CONFAB DATA_PEER PEOPLE
set -u
log=$(mktemp)
counts=$(mktemp)
trap 'rm -f "$log" "$counts"' EXIT
for script in "${SCRIPTS:-$(dirname "$0")}"/*.py; do
    echo "== $script"
    /usr/bin/python3 -W ignore "$script" "$@" > "$log" 2>&1
    status=$?
    cat "$log"
    count=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
    if grep -qi 'skipped:' "$log"; then
        count=${count:-0 passed, 0 failed, 1 skipped}
    elif [ "$status" = 0 ]; then
        count=${count:-1 passed, 0 failed, 0 skipped}
    else
        case "$count" in *" 0 failed"* | "") count="0 passed, 1 failed, 0 skipped" ;; esac
    fi
    echo "$count" >> "$counts"
done
awk '{ passed += $1; failed += $3; skipped += $5 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' "$counts"
