#!/usr/bin/env bash
# Installs what a list of packages names and this machine lacks; returns at once when it lacks nothing.
#
#   tools/install-packages.sh [LIST…]     default: tools/debian-packages.txt
set -u

here=$(cd "$(dirname "$0")" && pwd)
lists=("$@")
[ ${#lists[@]} -gt 0 ] || lists=("$here/debian-packages.txt")

die() {
    printf 'install-packages: %s\n' "$*" >&2
    exit 1
}

# The packages named by the lists, without comments.
wanted() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "${lists[@]}"
}

missing() {
    local package
    wanted | while read -r package; do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            printf '%s\n' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Headers of another Boost conflict with 1.81 and have to go. Anything else that apt would remove is
# for the machine's owner to decide.
check_removals() {
    local plan removed
    plan=$(as_root apt-get install -s --no-install-recommends "$@" 2>&1) ||
        die "apt-get cannot install $*:"$'\n'"$(tail -n 12 <<<"$plan")"
    removed=$(awk '/^Remv / {print $2}' <<<"$plan")
    [ -n "$removed" ] || return 0
    if grep -qv '^libboost' <<<"$removed"; then
        die "installing $* would remove: $(tr '\n' ' ' <<<"$removed"); do it by hand if that is right"
    fi
    printf 'removing the headers of another Boost: %s\n' "$(tr '\n' ' ' <<<"$removed")"
}

main() {
    local packages
    command -v dpkg-query >/dev/null || die "this needs Debian 12; install the packages of ${lists[*]} by hand"
    mapfile -t packages < <(missing)
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
        die "missing: ${packages[*]}; run this as root, or with sudo that asks no password"
    fi
    printf 'installing: %s\n' "${packages[*]}"
    as_root apt-get update -qq || die "apt-get update failed: is there a network?"
    check_removals "${packages[@]}"
    as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" ||
        die "apt-get install failed"
    mapfile -t packages < <(missing)
    [ ${#packages[@]} -eq 0 ] || die "still missing after the installation: ${packages[*]}"
}

main
