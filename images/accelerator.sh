#!/bin/sh
# Prints `kvm` if a virtual machine really starts with it here, and `tcg` if not.
#
# That /dev/kvm is there, and that libvirt offers it, says little: under some hypervisors machines never
# get beyond their firmware. So the quick guest is started, and has ten seconds. What came of it is kept
# until this machine is started anew.

set -eu
build=$(cd "$(dirname "$0")" && pwd)/build
micro=$build/micro
kept=$build/accelerator
boot=$(cat /proc/sys/kernel/random/boot_id)
[ -r "$micro/initrd" ] || { echo "accelerator.sh: there is no guest to start: run \`make images\` first" >&2; exit 1; }
command -v qemu-system-x86_64 >/dev/null || {
    echo "accelerator.sh: QEMU is missing: run tests/qemu/install.sh" >&2
    exit 1
}

if read -r verdict of 2>/dev/null <"$kept" && [ "$of" = "$boot" ]; then
    echo "$verdict"
    exit
fi

verdict=tcg
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    log=$(mktemp)
    qemu-system-x86_64 -accel kvm -M pc -cpu host -m 256 -nodefaults -display none -no-reboot -serial "file:$log" \
        -kernel "$micro/vmlinuz" -initrd "$micro/initrd" -append 'console=ttyS0 quiet panic=-1' >/dev/null 2>&1 &
    guest=$!
    tries=0
    while [ $tries -lt 100 ] && kill -0 $guest 2>/dev/null; do
        if grep -q '^micro: up' "$log"; then
            verdict=kvm
            break
        fi
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -9 $guest 2>/dev/null || true
    wait $guest 2>/dev/null || true
    rm -f "$log"
fi
echo "$verdict $boot" >"$kept"
echo "$verdict"
