#!/usr/bin/env bash
# Everything that CI runs. The last line is `N passed, N failed` over all suites; fails if anything did.
#
#   tools/test.sh [--quick]     --quick: the checks of the tree, the release build and its suites
set -u
cd "$(dirname "$0")/.." || exit 1

suite_seconds_max=900   # a suite that takes longer hangs
# What the release build's suites get: few descriptors, and memory for little more than the tests' own.
limits=(prlimit --nofile=64 --data=$((768 << 20)) --stack=$((1 << 20)))

passed=0
failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# --- reporting ---------------------------------------------------------------------------------------

count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# Runs a function under a heading, tells how long it took, and returns its status. The function counts
# for itself.
step() {
    local name=$1 status start=$SECONDS failed_before=$failed
    shift
    printf '\n== %s\n' "$name"
    "$@"
    status=$?
    printf -- '-- %s: %s, %d s\n' "$name" \
        "$([ "$failed" -eq "$failed_before" ] && echo ok || echo FAILED)" $((SECONDS - start))
    return "$status"
}

finish() {
    if [ -s "$logs/figures" ]; then
        printf '\n== figures\n'
        sed 's/^figure: //' "$logs/figures" | awk -F': ' '!seen[$1]++' | awk -F': ' '{printf "%-52s %s\n", $1, $2}'
    fi
    printf '\n%d s in all\n%d passed, %d failed\n' "$SECONDS" "$passed" "$failed"
    if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then exit 1; fi
    exit 0
}

# A command that passes or fails as a whole.
check() {
    local log=$logs/check
    if "$@" >"$log" 2>&1; then
        tail -n 3 "$log"
        count 1 0
    else
        tail -n 50 "$log"
        printf 'FAILED: %s\n' "$*"
        count 0 1
    fi
}

# A command whose output ends with `N passed, N failed`, or with doctest's line of test cases. If it
# fails without having counted a failure (a crash, a hang, a leak found at exit), that is one failure.
suite() {
    local title=$1 log status start=$SECONDS counts good bad
    shift
    log=$logs/${title//[^A-Za-z0-9]/_}
    timeout --kill-after=10 "$suite_seconds_max" "$@" >"$log" 2>&1 </dev/null
    status=$?
    grep '^figure: ' "$log" >>"$logs/figures"
    counts=$(counts_of "$log")
    good=${counts% *} bad=${counts#* }
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    printf '%-48s %5d passed %3d failed %4d s\n' "$title" "$good" "$bad" $((SECONDS - start))
    if [ "$bad" -ne 0 ]; then
        printf '   status %d; the last lines of: %s\n' "$status" "$*"
        tail -n 50 "$log" | sed 's/^/   /'
    fi
    count "$good" "$bad"
}

# "PASSED FAILED" of a suite's log; "0 1" if it never came to its counts.
counts_of() {
    awk '/\[doctest\] test cases:/ {
             split($0, column, "|"); split(column[2], p, " "); split(column[3], f, " ")
             good = p[1]; bad = f[1]; seen = 1
         }
         /^[0-9]+ passed, [0-9]+ failed$/ { good = $1; bad = $3; seen = 1 }
         END { if (seen) print good + 0, bad + 0; else print 0, 1 }' "$1"
}

# --- building ----------------------------------------------------------------------------------------

# configure DIRECTORY COMPILER MESON-OPTION…; also a second time in the same directory.
configure() {
    local directory=$1 compiler=$2
    shift 2
    if command -v ccache >/dev/null; then
        compiler="ccache $compiler"
        export CCACHE_NOHASHDIR=1  # another clone may use what this one has compiled
        # Without these nothing with a precompiled header is kept.
        export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=1
    fi
    if [ -f "$directory/build.ninja" ]; then
        CXX=$compiler meson setup --reconfigure "$directory" "$@"
    else
        rm -rf "$directory"
        CXX=$compiler meson setup "$directory" "$@"
    fi
}

# The programs that were built and begin with a path.
programs() {
    local file
    for file in "$1"*; do
        if [ -f "$file" ] && [ -x "$file" ]; then printf '%s\n' "$file"; fi
    done
}

# Precompiled headers differ from clone to clone even where all that is in them is the same, and clang's
# name the files of their clone. So each clone makes its own, and ccache is told what they are made of, and
# takes that for them.
# precompile DIRECTORY TARGET
precompile() {
    local directory=$1 target=$2 header headers=()
    mapfile -t headers < <(ninja -C "$directory" -t inputs "$target" | grep '\.[gp]ch$')
    CCACHE_DISABLE=1 ninja -C "$directory" "${headers[@]}" || return
    for header in "${headers[@]}"; do
        ninja -C "$directory" -t deps "$header" | sed -n 's/^    //p' |
            (cd "$directory" && xargs md5sum) | md5sum >"$directory/$header.sum"
    done
}

# build DIRECTORY TARGET COMPILER MESON-OPTION…
# A build that fails is one failure; its suites are not run.
build() {
    local directory=$1 target=$2 log=$logs/build
    shift 2
    if ! configure "$directory" "$@" >"$log" 2>&1; then
        tail -n 50 "$log"
        count 0 1
        return 1
    fi
    if ! { precompile "$directory" "$target" && ninja -C "$directory" "$target"; } >"$log" 2>&1; then
        grep -E 'error|FAILED' "$log" | head -n 30
        tail -n 20 "$log"
        count 0 1
        return 1
    fi
    tail -n 1 "$log"
}

# --- suites ------------------------------------------------------------------------------------------

# As `suite`, beside others, as many as there are cores; `finish_beside` prints and counts them in order.
beside=0
suite_beside() {
    if [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; then wait -n; fi
    beside=$((beside + 1))
    {
        passed=0 failed=0
        suite "$@"
        echo "$passed $failed" >"$logs/beside.$beside.counts"
    } >"$logs/beside.$beside" 2>&1 &
}

finish_beside() {
    local i counts
    wait
    for ((i = 1; i <= beside; i++)); do
        cat "$logs/beside.$i"
        counts=$(cat "$logs/beside.$i.counts" 2>/dev/null || echo 0 1)
        count "${counts% *}" "${counts#* }"
    done
    rm -f "$logs"/beside.*
    beside=0
}

# The doctest suites of a build, each once for every way of I/O that is named.
run_suites() {
    local directory=$1 io test found=0 within=() cases=()
    if [ "$directory" = build-release ]; then
        within=("${limits[@]}")
    else
        cases=(--test-case-exclude='planted*')  # what they break teaches nothing about memory
    fi
    shift
    for io in "$@"; do
        for test in $(programs "$directory/tests/test_"); do
            found=1
            if [ "${test##*/}" = test_crash ]; then
                # It uses no real files, so once is enough; the release build has a step for it.
                if [ "$directory" = build-release ] || [ "$io" != "$1" ]; then continue; fi
            fi
            suite_beside "$directory ${test##*/} $io" "${within[@]}" "$test" --io "$io" --no-colors=true \
                "${cases[@]}"
        done
    done
    finish_beside
    if [ "$found" -eq 0 ]; then
        echo "no suites in $directory/tests"
        count 0 1
    fi
}

# The ways of I/O to test. A kernel or sandbox that denies io_uring leaves plain calls, and we say so.
io_paths() {
    local answer
    answer=$(build-release/tools/braid import "$logs/probe" --io uring 2>&1 </dev/null)
    rm -rf "$logs/probe"
    if grep -qE "Operation not permitted|Function not implemented" <<<"$answer"; then
        printf "io_uring is not to be had here, plain calls only: %s\n" "$answer" >&2
        echo posix
    else
        echo uring posix
    fi
}

# The debug build, by the other compiler: so one build shows that clang takes the sources without a
# warning, and that neither memory nor arithmetic goes wrong. Line numbers are all the debug information
# that a report needs. Clang 14 can't compile coroutines with the check of calls through pointers; the
# check of objects' types looks at them through a pipe, and takes all for bad where descriptors run out.
sanitized() {
    build build-clang-asan all clang++ -Dbuildtype=debug -Doptimization=1 -Ddebug=false \
        -Dcpp_args='-gline-tables-only -D_GLIBCXX_ASSERTIONS -fno-sanitize=function,vptr' \
        -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=enabled || return
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    # One way of I/O is enough: the release build goes through both.
    run_suites build-clang-asan "$(io_paths | cut -d' ' -f1)"
}

released() {
    build build-release all g++ -Dbuildtype=release -Doptimization=2 || return
    # shellcheck disable=SC2046
    run_suites build-release $(io_paths)
}

# Only what several threads do: everything else would be slow and teach nothing. The sanitizer of
# GCC 12 knows no fences, which Asio needn't use.
raced() {
    local test without_aslr=() passed_before=$passed
    build build-tsan tests/test_threads g++ -Dbuildtype=debug -Doptimization=1 -Ddebug=false \
        -Dcpp_args='-g1 -DBOOST_ASIO_DISABLE_FENCED_BLOCK' -Db_sanitize=thread || return
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    # The sanitizer of GCC 12 cannot place its shadow where the kernel randomizes addresses widely.
    if setarch -R true 2>/dev/null; then without_aslr=(setarch -R); fi
    for test in $(programs build-tsan/tests/test_); do
        suite "${test} concurrent" "${without_aslr[@]}" "$test" --no-colors=true \
            --test-case='*concurrent*,*threads*'
    done
    if [ "$passed" -eq "$passed_before" ]; then
        echo "no test case was run"
        count 0 1
    fi
}

crashes() {
    suite_seconds_max=1000 suite 'crash points' "${limits[@]}" tools/crash.sh build-release
}

run_examples() {
    local example passed_before=$passed
    for example in $(programs build-release/examples/); do
        mkdir "$logs/example"
        echo "${example##*/}"
        check timeout 60 "$example" "$logs/example"
        rm -rf "$logs/example"
    done
    suite 'commands' tools/check-commands.sh build-release/tools/braid
    if [ "$passed" -eq "$passed_before" ]; then
        echo "no example succeeded"
        count 0 1
    fi
}

# Ten seconds a fuzzer; the build is the one with the sanitizers.
fuzzed() {
    suite 'fuzzers' tools/fuzz.sh build-clang-asan 10
}

# Both ways of I/O at the same time: most of it is waiting for the disk.
kills() {
    local io
    io=$(io_paths)
    suite 'kill test' "${limits[@]}" build-release/tests/kill_test --io "$([ "$io" = posix ] && echo posix || echo both)"
    suite 'kill test, import' "${limits[@]}" build-release/tests/import_kill_test --braid build-release/tools/braid
    suite 'kill test, exactly once' "${limits[@]}" tools/check-exactly-once.sh build-release/examples/exactly_once
}

# Needs to be root to mount what it fills; says what it had to leave out.
full_disks() {
    # shellcheck disable=SC2046  # words are wanted
    suite 'full disks' "${limits[@]}" tools/check-full-disks.sh build-release/tests/full_disk_test $(io_paths)
}

real_input() {
    local input
    for input in ../shared/data/redis-history.ndjson.xz examples/data/*.ndjson.xz examples/data/*.ndjson; do
        [ -f "$input" ] || continue
        suite "real input ${input##*/}" tools/check-real-input.sh build-release/tools/braid "$input"
        tail -n 40 "$logs/real_input_$(printf '%s' "${input##*/}" | tr -c 'A-Za-z0-9' _)" |
            sed 's/^/   /'
        return
    done
    echo "no real input found"
    count 0 1
}

main() {
    local quick=0
    case ${1:-} in
        '') ;;
        --quick) quick=1 ;;
        *) echo "usage: tools/test.sh [--quick]" >&2; exit 2 ;;
    esac
    step 'packages' check tools/install-packages.sh
    step 'format' check tools/check-format.sh
    step 'layers' check tools/check-layers
    step 'readme' check tools/check-readme.sh
    if step 'release build' released; then
        step 'crash points' crashes
        step 'examples' run_examples
        step 'real input' real_input
        step 'kill test' kills
        step 'full disks' full_disks
    fi
    if [ "$quick" -eq 0 ]; then
        if step 'clang build with address and undefined behaviour sanitizers' sanitized; then
            step 'fuzzers' fuzzed
        fi
        step 'thread sanitizer' raced
    fi
    finish
}

main "$@"
