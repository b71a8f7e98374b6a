#!/usr/bin/env bash
# Crash points by the million: one process a core, all short sequences shared out among them, and random
# workloads until there are enough points. Fails if anything was lost, and if there were fewer points than
# asked for.
#
#   tools/crash.sh BUILD-DIRECTORY [TIMES]    TIMES: so many times what CI does; default 1
set -u
cd "$(dirname "$0")/.." || exit 1

directory=${1:?usage: tools/crash.sh BUILD-DIRECTORY [TIMES]}
times=${2:-1}
points_min=$((1000000 * times))
double_points_min=$((100000 * times))
sequence_points=700000   # of all short sequences, about: the random ones make up for the rest
seconds_max=$((900 * times))
processes=$(nproc)
random_points=$(((points_min - sequence_points) / processes + 50000))

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

passed=0
failed=0
for ((i = 0; i < processes; i++)); do
    filter='crash*'
    [ "$i" -eq 0 ] && filter='crash*,planted*'
    BRAID_SHARE=$i/$processes BRAID_POINTS=$random_points BRAID_SECONDS=$seconds_max \
        "$directory/tests/test_crash" --no-colors=true --test-case="$filter" >"$logs/$i" 2>&1 &
    pids[i]=$!
done
for ((i = 0; i < processes; i++)); do
    status=0
    wait "${pids[$i]}" || status=$?
    grep -v '^figure: ' "$logs/$i"
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
    else
        printf 'process %d of %d: status %d\n' "$i" "$processes" "$status"
        failed=$((failed + 1))
    fi
done

# Sums of the figures that are numbers; others as they are.
sum() {
    cat "$logs"/* | awk -F': ' -v only="$1" '/^figure: / && $2 == only {sum += $3} END {print sum + 0}'
}
with_commas() {
    sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"
}
while read -r name; do
    value=$(sum "$name")
    case $name in *caught*) value=$(sed -n "s/^figure: $name: //p" "$logs"/*) ;; *) value=$(with_commas "$value") ;; esac
    printf 'figure: %s: %s\n' "$name" "$value"
done < <(cat "$logs"/* | awk -F': ' '/^figure: / && !seen[$2]++ {print $2}')

enough() {
    local name=$1 least=$2 points
    points=$(sum "$name")
    if [ "$points" -lt "$least" ]; then
        printf 'too few %s: %d of %d\n' "$name" "$points" "$least"
        failed=$((failed + 1))
    fi
}
enough 'crash points' "$points_min"
enough 'crash points in recoveries' "$double_points_min"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
