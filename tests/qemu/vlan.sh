#!/bin/bash
# The hook for libvirt's networks with VLANs between two hosts, in a machine of its own, since many kernels of test
# machines have no VLANs. Needs `make -C images router` (for the packages that it unpacks) and QEMU; no root.
set -euo pipefail
cd "$(dirname "$0")/../.."
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
python3 images/initrd.py images/build/packages tests/qemu/vlan/recipe "$run/initrd"
timeout "${PATIENCE:-180}" qemu-system-x86_64 -accel tcg -M pc -m 256 -nodefaults -display none -no-reboot \
    -serial "file:$run/log" -kernel images/build/router/vmlinuz -initrd "$run/initrd" \
    -append 'console=ttyS0 quiet panic=-1' </dev/null || { echo "vlan.sh: it did not end" >&2; cat "$run/log" >&2; exit 1; }
grep -q '^vlan: ok' "$run/log" || { cat "$run/log" >&2; exit 1; }
echo "VLANs: two farms on two hosts, each by itself"
