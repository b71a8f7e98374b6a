#!/usr/bin/env bash
# Replays the corpora of the fuzzers and fuzzes each one for a while, two at a time. The last line is
# `N passed, N failed`, a count a fuzzer. A finding's input is kept, and the command that repeats it is
# printed.
#
#   tools/fuzz.sh BUILD [SECONDS [SEED]]     BUILD: made by clang with -Dfuzzers=enabled; default: 10 s
#
# The corpora in tests/fuzz/corpus are small on purpose. BUILD/tests/fuzz/fuzz_corpus DIRECTORY makes
# their first inputs anew, out of real stores, when a format has changed.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:?usage: tools/fuzz.sh BUILD [SECONDS [SEED]]}
seconds=${2:-10}
seed=${3:-$RANDOM$RANDOM}
at_once=2
memory_mb=1024
allocation_mb=64   # an allocation that a length in the input asked for unchecked is larger
findings=$build/findings
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:allocator_may_return_null=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# fuzz PROGRAM: replays, fuzzes, and writes the verdict to the work folder.
fuzz() {
    local program=$1 name=${1##*/fuzz_} log=$work/${1##*/fuzz_}.log
    local limits=(-rss_limit_mb="$memory_mb" -malloc_limit_mb="$allocation_mb" -timeout=20)
    mkdir -p "$work/$name" "$findings"
    # The first folder takes what is new, the second is only read.
    if "$program" -runs=0 "${limits[@]}" -artifact_prefix="$findings/$name-" \
        "tests/fuzz/corpus/$name" >"$log" 2>&1 &&
        "$program" -max_total_time="$seconds" -seed="$seed" -max_len=16384 -use_value_profile=1 \
            "${limits[@]}" -print_final_stats=1 -artifact_prefix="$findings/$name-" \
            "$work/$name" "tests/fuzz/corpus/$name" >>"$log" 2>&1; then
        echo 1 >"$work/$name.verdict"
    else
        echo 0 >"$work/$name.verdict"
    fi
}

report() {
    local program=$1 name=${1##*/fuzz_} finding
    if [ "$(cat "$work/$name.verdict" 2>/dev/null)" = 1 ]; then
        awk -v name="$name" '/stat::number_of_executed_units:/ {
            print "figure: fuzz " name ": " $2 " runs" }' "$work/$name.log"
        return 0
    fi
    grep -vE '^#[0-9]+' "$work/$name.log" | tail -n 40
    finding=$(sed -n 's/.*Test unit written to //p' "$work/$name.log" | tail -n 1)
    echo "FAILED: $program; again: $program ${finding:-tests/fuzz/corpus/$name -runs=0}"
    return 1
}

programs=()
for program in "$build"/tests/fuzz/fuzz_*; do
    if [ -f "$program" ] && [ -x "$program" ] && [ "${program##*/}" != fuzz_corpus ]; then
        programs+=("$program")
    fi
done
echo "seed $seed, $seconds s each"
for program in "${programs[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do wait -n; done
    fuzz "$program" &
done
wait
passed=0 failed=0
for program in "${programs[@]}"; do
    if report "$program"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
