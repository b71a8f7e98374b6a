#!/usr/bin/env bash
# Shows what Braid is for, on real events: the change history of a large C project, where a commit is
# a transaction and a folder is a segment. Installs what is missing, builds, and runs in a directory of
# its own that is removed at the end.
#
#   tools/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build="build-demo"
sample=examples/data/redis-sample.ndjson
work=$(mktemp -d)
store=$work/store
acks=$work/acks
trap 'rm -rf "$work"' EXIT

step() { printf '\n\033[1m== %s\033[0m\n' "$1"; }
tell() { printf '%s\n' "$@"; }
# Shows a command as a user would type it, whatever becomes of its output, then runs it.
exec 3>&1
run() {
    printf '$ %s\n' "${*//$work\//}" >&3
    "$build/tools/$1" "${@:2}"
}
shorten() { cut -c "1-${COLUMNS:-150}"; }

prepare() {
    step 'Build'
    tools/install-packages.sh
    [ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release -Doptimization=2 >"$work/log" ||
        { tail -n 30 "$work/log"; exit 1; }
    ninja -C "$build" tools/braid tools/braid-dump >"$work/log" || { tail -n 30 "$work/log"; exit 1; }
    tell "braid and braid-dump are in $build/tools"
}

# The sample, not faster than a busy service would bring it.
slowly() { awk '{print} NR % 40 == 0 {fflush(); system("sleep 0.01")}' "$sample"; }

kill_an_import() {
    step 'Import events, and kill the import in the middle'
    tell "$(wc -l <"$sample") events come in. Each commit is durable before it is acknowledged, and each" \
        'acknowledgement is noted in a file. After some hundred of them: kill -9.'
    touch "$acks"
    # shellcheck disable=SC2016  # is shown as it is
    tell '$ braid import store --acks acks < events &    # and then: kill -9 $!'
    slowly | "$build/tools/braid" import "$store" --acks "$acks" >/dev/null &
    local import=$!
    until [ "$(wc -l <"$acks")" -ge 600 ]; do
        kill -0 "$import" || { tell 'the import ended by itself'; exit 1; }
        sleep 0.01
    done
    kill -9 "$import"
    wait "$import" 2>/dev/null || true
    tell "killed; it had acknowledged $(wc -l <"$acks") transactions"
}

# "trx first_position last_position" of every transaction in the store, as the acknowledgements say it.
stored() {
    "$build/tools/braid" read "$store" | jq -r '"\(.metadata.commit) \(.position)"' |
        awk '$1 != trx {if (trx) print trx, first, last; trx = $1; first = $2}
             {last = $2} END {if (trx) print trx, first, last}'
}

recover() {
    step 'Recover'
    tell 'Opening the store is all that recovery takes. A transaction is there wholly or not at all:'
    run braid stat "$store" --table | grep -E 'committed|durable|recovered|torn'
    stored | sort >"$work/stored"
    sort "$acks" | comm -23 - "$work/stored" >"$work/lost"
    if [ -s "$work/lost" ]; then
        tell 'LOST:'
        cat "$work/lost"
        exit 1
    fi
    tell "all $(wc -l <"$acks") acknowledged transactions are there, each at the positions that it was told"
}

import_the_rest() {
    step 'Import the rest'
    local have
    have=$("$build/tools/braid" stat "$store" | jq .committed)
    tell "The store holds the first $have events and nothing else, so the import goes on behind them."
    tail -n "+$((have + 1))" "$sample" >"$work/rest"
    run braid import "$store" "$work/rest"
}

look_around() {
    step 'Read'
    tell 'One space, a braid of many segments, in the order in which it was committed:'
    run braid read "$store" --space redis --after 2000 --limit 3 | shorten
    tell '' 'One of its segments, from the newest back:'
    run braid read "$store" --space redis --segment src --backward --limit 2 --payload-only
    tell '' 'The newest event of a segment, what there is to know about it, and who else is there:'
    run braid peek "$store" redis src | shorten
    run braid status "$store" redis src
    run braid segments "$store" redis --limit 4
}

follow() {
    step 'Follow a segment while another process writes it'
    local from
    from=$("$build/tools/braid" stat "$store" | jq .committed)
    run braid read "$store" --space demo --segment chat --after "$from" --follow --limit 3 \
        --payload-only >"$work/followed" &
    local follower=$!
    printf '%s\n' 'history,' 'then live,' 'without a seam' |
        run braid append "$store" demo chat
    wait "$follower"
    tell '' 'What the follower has seen:'
    cat "$work/followed"
}

look_beneath() {
    step 'Look at the bytes, and check every one of them'
    tell 'A frame as it lies on the disk: file, offset, what stands there. Each has a checksum.'
    run braid-dump "$store" | awk '$3 == "extent" {++extents} extents == 4 {print} extents > 4 {exit}' |
        shorten
    tell ''
    run braid verify "$store"
}

prepare
start=$SECONDS
kill_an_import
recover
import_the_rest
look_around
follow
look_beneath
step "Done, in $((SECONDS - start)) seconds"
tell "README.md shows the same from C++; $build/tools/braid --help lists what else there is."
