#!/usr/bin/env bash
# The commands for consumers, conditions and single entries, as a user would type them, with their exit codes. The last line is
# `N passed, N failed`.
#
#   tools/check-commands.sh BRAID
set -u
braid=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
store=$directory/data passed=0 failed=0

# expect CODE WORDS COMMAND…: the command's exit code, and that its output has these words.
expect() {
    local code=$1 words=$2 output status
    shift 2
    output=$("$@" 2>&1)
    status=$?
    if [ "$status" -eq "$code" ] && grep -qF -- "$words" <<<"$output"; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'exit code %d instead of %d, or no %s in: %s\n%s\n' "$status" "$code" "$words" "$*" "$output"
}

append() {
    printf '%s\n' "$1" | "$braid" append "$store" "${@:2}"
}

import() {
    printf '%s\n' "$1" | "$braid" import "$store"
}

expect 0 '"records":3' import '{"space":"orders","segment":"7","payload":"placed"}
{"space":"orders","segment":"7","payload":"packed"}
{"space":"orders","segment":"8","payload":"placed"}'

# What isn't there, and what is (K-02, K-03).
expect 4 '' "$braid" peek "$store" orders nobody
expect 4 '' "$braid" peek "$store" nowhere 7
expect 0 '"sequence":2' "$braid" peek "$store" orders 7

# Conditions of an append.
expect 0 '"sequence":1' append paid invoices 7 --if-last orders 7 2
expect 1 'required' append 'paid twice' invoices 7 --if-last invoices 7 0
expect 0 '"sequence":1' append sound audits all --if-untouched orders 7 2
expect 1 'required' append 'sound, too' audits all --if-untouched orders 7 1

# A consumer's cursor, by itself and beside what comes of it.
expect 4 '' "$braid" consumer get "$store" billing
expect 0 '' "$braid" consumer set "$store" billing 1 --space orders
expect 0 '"position":1' "$braid" consumer get "$store" billing
expect 1 'required' "$braid" consumer set "$store" billing 3 --space orders --expect 2
expect 0 '"records":1' import '{"space":"invoices","segment":"8","payload":"paid","consumer":"billing","consumer_space":"orders","consumer_position":3}'
expect 0 '"position":3' "$braid" consumer get "$store" billing
expect 0 '' append 'all billed' audits all --if-consumer billing orders 3
expect 1 'required' append 'all billed' audits all --if-consumer billing orders 2
expect 1 'required' "$braid" consumer set "$store" billing 0 --space orders
expect 0 '' "$braid" consumer set "$store" billing 0 --space orders --backward
expect 0 '"lag":3' "$braid" consumer list "$store"
expect 0 '' "$braid" consumer delete "$store" billing
expect 4 '' "$braid" consumer get "$store" billing
expect 4 '' "$braid" consumer delete "$store" billing

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
