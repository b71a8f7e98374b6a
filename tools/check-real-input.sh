#!/usr/bin/env bash
# Imports real events, reads them back and compares; then damages copies of the store and wants to be
# told. Prints each check; the last line is `N passed, N failed`.
#
#   tools/check-real-input.sh BRAID INPUT      INPUT: NDJSON, or the same compressed with xz. Each line
#       has trx, space, segment and payload, all without a line break, and metadata.commit equal to trx.
set -u

[ $# -eq 2 ] || { echo "usage: $0 BRAID INPUT" >&2; exit 2; }
braid=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $2 in
    *.xz) xzcat "$2" >"$work/input" || exit 2 ;;
    *) cp "$2" "$work/input" || exit 2 ;;
esac

passed=0
failed=0
records=$(wc -l <"$work/input")
space=$(head -n 1 "$work/input" | jq -r .space)

# verdict TITLE STATUS: counts and prints one check.
verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$1"
    fi
}

same() {
    cmp "$2" "$3" >&2
    verdict "$1" $?
}

# trx or transaction number, space, segment and payload of each line, for comparing lines.
essence() {
    jq -r "[$1, .space, .segment, .payload] | @tsv" "$2"
}

import() {
    local store=$1 threads=$2
    "$braid" import "$store" "$work/input" --threads "$threads" >"$work/summary" 2>"$work/errors"
    verdict "import with $threads threads" $?
    cat "$work/errors" >&2
    jq -e --argjson records "$records" '.records == $records' <(tail -n 1 "$work/summary") >/dev/null
    verdict "its summary tells $records records" $?
}

# Are positions 1, 2, 3 … and timestamps never decreasing?
dense() {
    jq -r '"\(.position) \(.timestamp)"' "$1" |
        awk -v records="$records" '$1 != NR || $2 + 0 < last {wrong = 1} {last = $2 + 0}
             END {exit wrong || NR != records}'
}

# Is there exactly one transaction number for each trx, and one trx for each number?
one_to_one() {
    jq -r '"\(.metadata.commit) \(.transaction)"' "$1" | sort -u >"$work/pairs"
    [ -z "$(cut -d ' ' -f 1 "$work/pairs" | sort | uniq -d)" ] &&
        [ -z "$(cut -d ' ' -f 2 "$work/pairs" | sort | uniq -d)" ] &&
        cmp <(cut -d ' ' -f 1 "$work/pairs" | sort) <(jq -r .trx "$work/input" | sort -u) >&2
}

# Does every segment give exactly the input's payloads, in the input's order?
segments_equal() {
    local store=$1 number=0 wrong=0 segment
    mkdir -p "$work/segments"
    jq -r '.segment, .payload' "$work/input" | awk -v into="$work/segments/" '
        NR % 2 == 1 {segment = $0; next}
        !(segment in number) {number[segment] = ++count; print segment > (into "names")}
        {file = into number[segment]; print >> file; close(file)}'
    while IFS= read -r segment; do
        number=$((number + 1))
        "$braid" read "$store" --space "$space" --segment "$segment" --payload-only >"$work/got"
        cmp "$work/segments/$number" "$work/got" >&2 || wrong=1
    done <"$work/segments/names"
    printf '        %d segments compared\n' "$number"
    return "$wrong"
}

check_exact() {
    local store=$work/exact
    import "$store" 1
    segments_equal "$store"
    verdict "each segment's payloads equal the input's, in order" $?
    "$braid" read "$store" --space "$space" >"$work/space"
    same "the space's order equals the input's" <(essence .trx "$work/input") \
        <(essence .metadata.commit "$work/space")
    dense "$work/space"
    verdict "positions are 1 to $records, timestamps don't decrease" $?
    one_to_one "$work/space"
    verdict "each trx has one transaction number of its own" $?
    "$braid" verify "$store" >"$work/report" 2>&1
    verdict "verify finds nothing wrong" $?
}

check_threads() {
    local store=$work/threads
    import "$store" 4
    "$braid" read "$store" >"$work/space"
    same "4 threads: every record is there, once" <(essence .trx "$work/input" | sort) \
        <(essence .metadata.commit "$work/space" | sort)
    dense "$work/space"
    verdict "4 threads: positions are 1 to $records" $?
    one_to_one "$work/space"
    verdict "4 threads: each trx has one transaction number of its own" $?
    "$braid" verify "$store" >"$work/report" 2>&1
    verdict "4 threads: verify finds nothing wrong" $?
}

# Replaces one byte by its complement.
flip() {
    local file=$1 offset=$2 byte
    byte=$(od -An -tu1 -j "$offset" -N 1 "$file")
    printf '%b' "$(printf '\\x%02x' $((byte ^ 255)))" |
        dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
}

# damage STORE FILE OFFSET: flips a byte of a copy, wants verify to exit 3 and name file and offset.
damage() {
    local copy=$work/damaged name status
    name=$(basename "$2")
    rm -rf "$copy"
    cp -r "$1" "$copy"
    flip "$copy/$name" "$3"
    "$braid" verify "$copy" >"$work/report" 2>&1
    status=$?
    [ "$status" -eq 3 ] && grep -F "$name" "$work/report" | grep -qiE 'offset[^0-9]*[0-9]+'
    verdict "verify finds the byte changed at $name:$3" $?
    [ "$status" -eq 3 ] || { printf '        it exited %d\n' "$status"; tail -n 3 "$work/report"; }
}

# damage_payload STORE LINE KIND…: changes a byte of the payload that the input has on a line, wherever
# files of these kinds hold it.
damage_payload() {
    local store=$1 line=$2 payload kind place
    shift 2
    payload=$(sed -n "${line}p" "$work/input" | jq -r .payload)
    for kind in "$@"; do
        place=$(cd "$store" && grep -aboHF -m 1 -- "$payload" "$kind"-* 2>/dev/null | head -n 1 | cut -d : -f 1,2)
        [ -n "$place" ] || continue
        damage "$store" "$store/${place%%:*}" "${place##*:}"
        return
    done
    verdict "the payload of line $line is found in a file ($*)" 1
}

check_damaged_data() {
    local line
    for line in 1 $((records / 2)) "$records"; do
        damage_payload "$work/exact" "$line" pack segment
    done
}

# A log full of batches: the import is killed when all is acknowledged, and before it could drain.
leave_log() {
    local store=$1 importer
    mkfifo "$work/feed"
    "$braid" import "$store" --threads 1 --acks "$work/acks" <"$work/feed" >/dev/null 2>&1 &
    importer=$!
    exec 9>"$work/feed"
    awk 'NR <= 200' "$work/input" >&9
    for _ in $(seq 100); do
        [ "$(cat "$work/acks" 2>/dev/null | wc -l)" -ge 20 ] && break
        sleep 0.1   # the importer acknowledges; there is nothing else to wait on
    done
    kill -9 "$importer"
    exec 9>&-
    wait "$importer" 2>/dev/null
    [ -s "$work/acks" ]
}

# The log file whose first batch is not zeros: block 0 is the header, batches follow.
first_log_file() {
    local file
    for file in "$1"/log-*; do
        [ "$(od -An -v -tx1 -j 4096 -N 64 "$file" | tr -d ' 0\n')" ] || continue
        printf '%s\n' "$file"
        return
    done
}

check_damaged_log() {
    local store=$work/killed file
    leave_log "$store"
    verdict "a killed import leaves acknowledgements and a log" $?
    file=$(first_log_file "$store")
    [ -n "$file" ]
    verdict "a log file holds batches" $?
    [ -n "$file" ] || return
    damage "$store" "$file" $((4096 + 20))
    damage_payload "$store" 1 log
    damage_payload "$store" 10 log
    "$braid" verify "$store" >"$work/report" 2>&1
    verdict "verify finds nothing wrong in the undamaged store" $?
}

check_exact
check_threads
check_damaged_data
check_damaged_log
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
