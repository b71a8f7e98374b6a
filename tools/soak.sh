#!/usr/bin/env bash
# What takes longer than CI may: the random suites again and again with fresh seeds, thousands of kills,
# full disks, and the fuzzers for a fifth of the time that is given.
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
# Of everything that several threads do, this is what users do most.
followers='concurrent: eight followers get every position of eight writers exactly once'
run 'a minute of writers and followers' env BRAID_SECONDS=60 build-release/tests/test_engine \
    --test-case="$followers" --no-colors=true
if [ -x build-tsan/tests/test_threads ]; then
    without_aslr=()
    if setarch -R true 2>/dev/null; then without_aslr=(setarch -R); fi
    run 'the same under ThreadSanitizer' env BRAID_SECONDS=60 \
        TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 "${without_aslr[@]}" \
        build-tsan/tests/test_threads --test-case="$followers" --no-colors=true
fi
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
    run 'kill test' build-release/tests/kill_test --kills 2000
    run 'import kill test' build-release/tests/import_kill_test --kills 60 \
        --braid build-release/tools/braid
    run 'full disks' tools/check-full-disks.sh build-release/tests/full_disk_test uring posix
    # Eight fuzzers, two at a time: a quarter of the time each, and hours of it in a long soak.
    if [ -d build-clang-asan/tests/fuzz ]; then
        run 'fuzzers' tools/fuzz.sh build-clang-asan $((minutes * 3))
    fi
    printf 'round %d: ok, %d s\n' "$round" "$SECONDS"
done
printf '%d rounds without a failure\n' "$round"
