#!/bin/sh
# Installs what virtual machines on real hosts, and the making of their images, need on Debian and Ubuntu.
# Does nothing where all of it is there.

set -eu
virtual="qemu-system-x86 qemu-utils libvirt-dev libvirt-daemon-system libvirt-clients"
others="busybox-static conntrack debian-archive-keyring dnsmasq-base ebtables genisoimage iproute2 iptables
curl iputils-arping iputils-ping mmdebstrap nftables pkg-config python3"
# Who is not root makes the guest's disk in a namespace of users.
[ "$(id -u)" = 0 ] || others="$others uidmap"

missing_of() {
    missing=
    for package in "$@"; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
}

command -v apt-get >/dev/null || {
    missing_of
    echo "install.sh: this machine has no apt-get; what is needed is, by Debian's names:" $virtual $others >&2
    exit 1
}
# shellcheck disable=SC2086
missing_of $virtual $others
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy "$@"
}
# What is there stays: apt would rather remove QEMU's tools than say that it has no others of their version.
install() {
    apt install --no-install-recommends --no-remove "$@"
}

echo "installing:$missing"
apt update || echo "install.sh: the lists of packages are those of before" >&2
# shellcheck disable=SC2086
install $missing && exit 0

# Parts of QEMU or libvirt may have come from Debian's backports, which are no source of packages any more:
# then the other parts must come from there too.
backported=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' 'qemu-*' 'libvirt*' 2>/dev/null |
    sed -n 's/^installed \([^ ]*\) .*~bpo12+.*/\1/p' | tr '\n' ' ')
[ -n "$backported" ] || { echo "install.sh: apt does not install what is missing:$missing" >&2; exit 1; }

echo "these are from Debian's backports, and so are the others to be: $backported"
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
chmod 755 "$sources"
for source in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ ! -r "$source" ] || cp "$source" "$sources"
done
echo 'deb http://deb.debian.org/debian bookworm-backports main' >"$sources/cascina-backports.list"
apt update -o Dir::Etc::SourceParts="$sources"
# shellcheck disable=SC2086
missing_of $virtual
# shellcheck disable=SC2086
[ -z "$missing" ] || install -o Dir::Etc::SourceParts="$sources" -t bookworm-backports $missing
# shellcheck disable=SC2086
missing_of $others
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing
