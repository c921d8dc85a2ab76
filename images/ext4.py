"""Makes an ext4 filesystem say nothing of the machine and the user that made it: mke2fs takes from there
when files were made and looked at, and whose they are."""

import struct

# Where the times of an inode are, in seconds; and, of the longer inodes, that of their making and the
# parts of seconds of all of them. Then the two halves of their user's and their group's ids.
ACCESSED, CHANGED, MODIFIED, CREATED = 8, 12, 16, 144
FRACTIONS = [132, 136, 140, 148]
OWNERS = [2, 24, 120, 122]


def forget_maker(disk, start, owned_by_root):
    """Of times only that of the last change of the content stays, in whole seconds; owners do if wanted."""

    def read(at, count):
        disk.seek(start + at)
        return disk.read(count)

    head = read(1024, 1024)
    inodes, blocks = struct.unpack_from("<II", head, 0)
    (block_size,) = struct.unpack_from("<I", head, 24)
    block_size = 1024 << block_size
    (first_block,) = struct.unpack_from("<I", head, 20)
    (blocks_each,) = struct.unpack_from("<I", head, 32)
    (inodes_each,) = struct.unpack_from("<I", head, 40)
    (inode_size,) = struct.unpack_from("<H", head, 88)
    incompatible, read_only = struct.unpack_from("<II", head, 96)
    descriptor = struct.unpack_from("<H", head, 254)[0] if incompatible & 0x80 else 32
    if head[56:58] != b"\x53\xef" or read_only & 0x400:
        raise ValueError("no ext4 filesystem without sums of its blocks")

    for group in range(-(-(blocks - first_block) // blocks_each)):
        found = read((first_block + 1) * block_size + group * descriptor, descriptor)
        (table,) = struct.unpack_from("<I", found, 8)
        if descriptor > 32:
            table |= struct.unpack_from("<I", found, 40)[0] << 32
        count = min(inodes_each, inodes - group * inodes_each)
        content = bytearray(read(table * block_size, count * inode_size))
        for at in range(0, len(content), inode_size):
            if not any(content[at : at + inode_size]):
                continue
            modified = content[at + MODIFIED : at + MODIFIED + 4]
            content[at + ACCESSED : at + ACCESSED + 4] = modified
            content[at + CHANGED : at + CHANGED + 4] = modified
            if owned_by_root:
                for field in OWNERS:
                    content[at + field : at + field + 2] = bytes(2)
            if inode_size > 128:
                content[at + CREATED : at + CREATED + 4] = modified
                for field in FRACTIONS:
                    content[at + field : at + field + 4] = bytes(4)
        disk.seek(start + table * block_size)
        disk.write(content)
