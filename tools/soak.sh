#!/usr/bin/env bash
# What takes longer than CI may: the random suites again and again, with fresh seeds, and the kill test.
# Stops at the first failure, whose log names the seed and the command that repeats it.
#
#   tools/soak.sh [MINUTES]     default: 60
set -u
cd "$(dirname "$0")/.." || exit 1

minutes=${1:-60}
case $minutes in
    '' | *[!0-9]*) echo "usage: tools/soak.sh [MINUTES]" >&2; exit 2 ;;
esac
deadline=$((SECONDS + minutes * 60))
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run TITLE COMMAND…
run() {
    local title=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 100 "$log"
        printf 'FAILED in round %d: %s: %s\n' "$round" "$title" "$*"
        exit 1
    fi
}

tools/test.sh --quick || exit 1
round=0
run 'crash points, 20 times as many' tools/crash.sh build-release 20
grep '^figure' "$log"
while [ "$SECONDS" -lt "$deadline" ]; do
    round=$((round + 1))
    for io in uring posix; do
        for test in build-release/tests/test_* build-clang-asan/tests/test_*; do
            if [ ! -f "$test" ] || [ ! -x "$test" ]; then continue; fi
            # Only the suites that read the seed differ from round to round.
            run "$test $io" env BRAID_SEED=$((RANDOM * 32768 + RANDOM)) "$test" --io "$io" \
                --no-colors=true
        done
    done
    run 'kill test' build-release/tests/kill_test --braid build-release/tools/braid
    printf 'round %d: ok, %d s\n' "$round" "$SECONDS"
done
printf '%d rounds without a failure\n' "$round"
