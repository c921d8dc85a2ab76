#!/usr/bin/env python3
"""Makes a disk that starts by itself on a PC's BIOS, without root, mounts or loop devices.

    disk.py TREE ROOT LABEL MEGABYTES COMMAND_LINE OUT

ROOT is a folder; of its files the disk has /boot/vmlinuz and /boot/initrd started by GRUB. TREE are
unpacked packages whose GRUB and mke2fs are used: what this machine has does not matter.
OUT is a compressed qcow2 image, of which `qemu-img` is the only thing that must be installed.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

import ext4

SECTOR = 512
START = 2048  # the first partition's first sector; GRUB lies before it
MODULES = "biosdisk part_msdos ext2 normal linux serial terminal echo boot test".split()
GRUB = """serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
linux /boot/vmlinuz {}
initrd /boot/initrd
boot
"""


def run_packaged(tree, program, *arguments, **settings):
    """A program of the packages, with their libraries and not with this machine's."""
    libraries = ":".join(str(tree / folder) for folder in ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"])
    loader = tree / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    subprocess.run([loader, "--library-path", libraries, tree / program, *arguments], check=True, **settings)


def boot_blocks(tree, command_line, scratch):
    """All before the first partition: the sector that the BIOS starts, and GRUB."""
    grub = tree / "usr/lib/grub/i386-pc"
    config, core = scratch.with_suffix(".grub"), scratch.with_suffix(".core")
    config.write_text(GRUB.format(command_line))
    run_packaged(tree, "usr/bin/grub-mkimage", "-O", "i386-pc", "-d", grub, "-p", "(,msdos1)/boot/grub",
                 "-c", config, "-o", core, *MODULES)
    blocks = bytearray((grub / "boot.img").read_bytes()[:SECTOR].ljust(SECTOR, b"\0"))
    # boot.img reads the sector after it, and that one says how many follow: so they are to lie together.
    blocks += core.read_bytes()
    config.unlink()
    core.unlink()
    if len(blocks) > START * SECTOR:
        sys.exit(f"disk.py: GRUB has {len(blocks)} bytes, and there is no place for them")
    return blocks


def partition_table(sectors):
    """One active partition of Linux. Its cylinders, which nobody asks for, are the largest that there are."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", START, sectors)
    return b"\x0c\xa5\xc1\x0a\0\0" + entry + bytes(48) + b"\x55\xaa"


def main():
    if len(sys.argv) != 7:
        sys.exit("usage: disk.py TREE ROOT LABEL MEGABYTES COMMAND_LINE OUT")
    tree, root, label, megabytes, command_line, out = sys.argv[1:]
    tree, root, out, sectors = Path(tree), Path(root), Path(out), int(megabytes) * 2048 - START
    for name in ["vmlinuz", "initrd"]:
        if not (root / "boot" / name).is_file():
            sys.exit(f"disk.py: {root} has no /boot/{name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    raw = out.with_suffix(".raw")
    blocks = boot_blocks(tree, command_line, out)
    blocks[440:512] = partition_table(sectors)
    raw.write_bytes(blocks)
    os.truncate(raw, int(megabytes) << 20)
    # Sums of blocks would have to be made anew for the times that are set below.
    run_packaged(
        tree, "sbin/mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^orphan_file",
        "-L", label, "-m", "1", "-U", "5ca5c1a0-0000-4000-8000-000000000001",
        "-E", f"offset={START * SECTOR},root_owner=0:0,hash_seed=5ca5c1a0-0000-4000-8000-000000000002,lazy_itable_init=0",
        "-d", root, raw, f"{sectors // 2}k", env={**os.environ, "E2FSPROGS_FAKE_TIME": "1", "MKE2FS_CONFIG": str(tree / "etc/mke2fs.conf")},
    )
    with open(raw, "r+b") as disk:
        # Who is not root has no files but their own.
        ext4.forget_maker(disk, START * SECTOR, owned_by_root=os.geteuid() != 0)
    part = out.with_suffix(".part")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, part], check=True)
    raw.unlink()
    part.rename(out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


main()
