#!/bin/sh
# Makes a guest with cloud-init as clouds have them, on a disk that starts by itself.
#
#   build.sh TREE APT INITRD OUT
#
# TREE are unpacked packages, of which the kernel is taken; APT the folder of the apt that fetched them.
# Without root this needs user namespaces, and a range of ids for this user in /etc/subuid.

set -eu
umask 022
tree=$1 apt=$2 initrd=$3 out=$4
: "${MIRROR:=http://deb.debian.org/debian}" "${SUITE:=bookworm}"
here=$(cd "$(dirname "$0")" && pwd)
work=$(dirname "$out")
kernel=$(basename "$tree"/lib/modules/*)
command -v mmdebstrap >/dev/null || { echo "build.sh: mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }

# No file is newer than the list of packages that it comes from.
SOURCE_DATE_EPOCH=$(sed -n 's/^Date: //p' "$apt"/lists/*InRelease | while read -r date; do date -d "$date" +%s; done |
    sort -n | tail -n 1)
export SOURCE_DATE_EPOCH

# What is on the disk beside packages: our files, the kernel, and those of its modules that a guest may need.
rm -rf "$work/files" "$work/root.tar"
mkdir -p "$work/files/boot" "$work/files/usr/lib/modules"
cp -R "$here/files/." "$work/files"
cp "$tree/boot/vmlinuz-$kernel" "$work/files/boot/vmlinuz"
cp "$initrd" "$work/files/boot/initrd"
cp -R "$tree/lib/modules/$kernel" "$work/files/usr/lib/modules"
for unneeded in arch/x86/kvm drivers/gpu drivers/infiniband drivers/hv drivers/xen drivers/usb drivers/nvme \
    drivers/target drivers/net/ethernet drivers/net/hyperv fs/btrfs fs/xfs fs/ocfs2 fs/gfs2 fs/ceph fs/smb fs/cifs \
    fs/ksmbd fs/jfs fs/nilfs2 fs/reiserfs fs/f2fs fs/ubifs fs/dlm fs/ntfs3 fs/afs net/rds net/tipc net/sctp net/openvswitch; do
    rm -rf "$work/files/usr/lib/modules/$kernel/kernel/$unneeded"
done
tar -C "$work/files" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf "$work/files.tar" .

# Units of timers and consoles that a guest of minutes has no use for.
idle="apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer
getty@tty1.service systemd-pstore.service"
mmdebstrap --quiet --variant=minbase --architectures=amd64 --include="$(paste -sd, "$here/packages.txt")" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook="tar-in $work/files.tar /" \
    --customize-hook="chroot \"\$1\" depmod $kernel" \
    --customize-hook="for unit in $(echo $idle); do ln -sf /dev/null \"\$1/etc/systemd/system/\$unit\"; done" \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/etc/resolv.conf; : >"$1/etc/machine-id"' \
    --customize-hook='rm -rf "$1"/var/lib/cloud; find "$1/var/log" "$1/var/cache" -type f -delete' \
    "$SUITE" "$work/root.tar" "deb $MIRROR $SUITE main" "deb $MIRROR-security $SUITE-security main"

# Files must belong to their owners while the disk is made: as root, or as root of a namespace.
as_root=
[ "$(id -u)" = 0 ] || as_root='unshare --map-auto --map-root-user'
$as_root sh -eu -c '
    rm -rf "$1/root"
    mkdir "$1/root"
    tar -C "$1/root" --numeric-owner --exclude="./dev/*" -xf "$1/root.tar"
    python3 "$2/../disk.py" "$3" "$1/root" cascina-guest 1024 "console=ttyS0 quiet" "$4"
    rm -rf "$1/root"
' sh "$work" "$here" "$tree" "$out"
rm -rf "$work/files" "$work/files.tar" "$work/root.tar"
