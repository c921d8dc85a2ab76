"""What a program is linked with, and what a module of the kernel depends on: read from their own headers."""

import struct

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


def string(content, start):
    return content[start : content.index(b"\0", start)].decode()


def check(content):
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit little-endian ELF file")


def needs(content):
    """The loader of a program (None for a library), and the names of its libraries."""
    check(content)
    (at,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = [struct.unpack_from("<IIQQQQ", content, at + i * size) for i in range(count)]
    loader, libraries = None, []

    def offset_of(address):
        for kind, _, offset, virtual, _, length in segments:
            if kind == PT_LOAD and virtual <= address < virtual + length:
                return offset + address - virtual
        raise ValueError("a dynamic table points outside of its file")

    for kind, _, offset, _, _, length in segments:
        if kind == PT_INTERP:
            loader = string(content, offset)
        if kind == PT_DYNAMIC:
            tags = [struct.unpack_from("<QQ", content, offset + i) for i in range(0, length, 16)]
            names = next(offset_of(value) for tag, value in tags if tag == DT_STRTAB)
            libraries = [string(content, names + value) for tag, value in tags if tag == DT_NEEDED]
    return loader, libraries


def module_information(content):
    """The lines `key=value` that a module says of itself."""
    check(content)
    (at,) = struct.unpack_from("<Q", content, 40)
    size, count, names = struct.unpack_from("<HHH", content, 58)
    sections = [struct.unpack_from("<IIQQQQ", content, at + i * size) for i in range(count)]
    for name, _, _, _, offset, length in sections:
        if string(content, sections[names][4] + name) == ".modinfo":
            lines = content[offset : offset + length].split(b"\0")
            return [tuple(line.decode().split("=", 1)) for line in lines if b"=" in line]
    raise ValueError("no module of the kernel: it has no .modinfo")
