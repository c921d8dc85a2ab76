"""An archive that the kernel unpacks as its first root: `newc`, byte for byte the same for the same files."""

import gzip
import stat

MTIME = 0


class Archive:
    """Entries by path; written in the order of their names, owned by root, without times."""

    def __init__(self):
        self.entries = {"dev": (stat.S_IFDIR | 0o755, b"", (0, 0))}
        # What the kernel opens as its console before anything is mounted on /dev.
        self.entries["dev/console"] = (stat.S_IFCHR | 0o600, b"", (5, 1))

    def _put(self, path, mode, content):
        path = path.strip("/")
        parts = path.split("/")
        if not path or ".." in parts:
            raise ValueError(f"no path in an archive: {path!r}")
        for depth in range(1, len(parts)):
            self.entries.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b"", (0, 0)))
        self.entries[path] = (mode, content, (0, 0))

    def folder(self, path, mode=0o755):
        self._put(path, stat.S_IFDIR | mode, b"")

    def file(self, path, content, mode=0o644):
        self._put(path, stat.S_IFREG | mode, content)

    def link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def has(self, path):
        return path.strip("/") in self.entries

    def raw(self):
        blocks = []
        for number, path in enumerate(sorted(self.entries), 1):
            mode, content, device = self.entries[path]
            blocks.append(entry(number, path, mode, content, device))
        blocks.append(entry(0, "TRAILER!!!", 0, b"", (0, 0)))
        return b"".join(blocks)

    def compressed(self):
        return gzip.compress(self.raw(), 9, mtime=MTIME)


def entry(number, path, mode, content, device):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = [number, mode, 0, 0, links, MTIME, len(content), 0, 0, *device, len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return padded(head) + padded(content)


def padded(content):
    return content + b"\0" * (-len(content) % 4)
