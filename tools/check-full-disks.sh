#!/usr/bin/env bash
# Fills small file systems with stores: ext4 and XFS images, tmpfs, and overlayfs on ext4, each mounted
# in a mount namespace of its own, so that nothing is left behind; and, without mounting, files that
# reach a limit of length. Says what can't be mounted here. The last line is `N passed, N failed`.
#
#   tools/check-full-disks.sh FULL_DISK_TEST IO…       IO: uring, posix
set -u

if [ "${BRAID_FULL_DISKS:-}" != inside ]; then
    export BRAID_FULL_DISKS=inside
    unshare -m true 2>/dev/null && exec unshare -m "$0" "$@"
fi

program=$(realpath "${1:?usage: check-full-disks.sh FULL_DISK_TEST IO…}")
shift
work=$(mktemp -d)
mounted=()
cleanup() {
    local i
    for ((i = ${#mounted[@]} - 1; i >= 0; --i)); do umount "${mounted[i]}"; done
    rm -rf "$work"
}
trap cleanup EXIT
passed=0 failed=0 tried=''

mounted_at() {
    mounted+=("$1")
}

# Each makes the directory $work/NAME a file system of its own, or fails.
mount_ext4() {
    truncate -s 64M "$work/ext4.img" && mkfs.ext4 -q "$work/ext4.img" && mkdir "$work/ext4" &&
        mount -o loop "$work/ext4.img" "$work/ext4" && mounted_at "$work/ext4"
}
mount_xfs() {
    truncate -s 320M "$work/xfs.img" && mkfs.xfs -q "$work/xfs.img" && mkdir "$work/xfs" &&
        mount -o loop "$work/xfs.img" "$work/xfs" && mounted_at "$work/xfs"
}
mount_tmpfs() {
    mkdir "$work/tmpfs" && mount -t tmpfs -o size=64m none "$work/tmpfs" && mounted_at "$work/tmpfs"
}
mount_overlay() {
    local base=$work/ext4/overlay
    mkdir "$base" "$base/upper" "$base/work" "$work/lower" "$work/overlay" &&
        mount -t overlay -o "lowerdir=$work/lower,upperdir=$base/upper,workdir=$base/work" none \
            "$work/overlay" && mounted_at "$work/overlay"
}

# fill NAME IO…: the test on $work/NAME, once for each way of I/O.
fill() {
    local name=$1 io log=$work/log options=()
    shift
    if [ "$name" = limit ]; then options=(--limit files); fi
    for io in "$@"; do
        if "$program" --directory "$work/$name" --io "$io" "${options[@]}" >"$log" 2>&1; then
            passed=$((passed + 1))
            echo "$name, $(grep ' transactions, ' "$log")"
        else
            echo "FAILED on $name with $io:"
            tail -n 20 "$log"
            failed=$((failed + 1))
        fi
    done
    tried="$tried $name"
}

for name in ext4 xfs tmpfs overlay; do
    if "mount_$name" 2>"$work/why"; then
        fill "$name" "$@"
    else
        echo "$name can't be mounted here: $(tail -n 1 "$work/why")"
    fi
done
mkdir "$work/limit"
fill limit "$@"
echo "figure: file systems that ran full:$tried"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
