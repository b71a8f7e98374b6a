#!/usr/bin/env bash
# Kills the exactly-once example again and again while it works, then has it prove that each entry was
# processed exactly once. The last line is `N passed, N failed`.
#
#   tools/check-exactly-once.sh EXAMPLE [KILLS]
set -u
example=$1 kills=${2:-200}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

for ((i = 0; i < kills; i++)); do
    "$example" "$directory" live >"$directory/out" 2>&1 &
    pid=$!
    sleep "0.0$((RANDOM % 90 + 10))"
    kill -KILL "$pid" || { cat "$directory/out"; echo "0 passed, 1 failed"; exit 1; }
    wait "$pid" 2>/dev/null
done
if "$example" "$directory" finish; then
    echo "figure: kills of the exactly-once example: $kills"
    echo "1 passed, 0 failed"
else
    echo "0 passed, 1 failed"
    exit 1
fi
