#!/usr/bin/env bash
# The README's program is examples/readme.cc, which the build compiles and the tests run.
set -u
cd "$(dirname "$0")/.." || exit 1

program=$(awk '/^```cpp$/ {inside = 1; next} /^```$/ && inside {exit} inside' README.md)
if ! diff <(printf '%s\n' "$program") examples/readme.cc; then
    echo "README.md's program (<) and examples/readme.cc (>) differ" >&2
    exit 1
fi
missing=$(grep -oE '\]\([^)#:]+' README.md docs/*.md docs/decisions/*.md ARCHITECTURE.md |
    while IFS= read -r link; do
        from=${link%%:*} to=${link#*:](}
        [ -e "$(dirname "$from")/$to" ] || printf '%s links to %s, which is not there\n' "$from" "$to"
    done)
[ -z "$missing" ] || { printf '%s\n' "$missing" >&2; exit 1; }
