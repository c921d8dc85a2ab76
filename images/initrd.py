#!/usr/bin/env python3
"""Makes what a kernel unpacks as its first root, from unpacked packages and a recipe.

    initrd.py TREE RECIPE OUT

A recipe has a line for each thing, in any order:

    program PATH...            programs of packages, with the libraries that they are linked with
    applets NAME...            commands in /bin that are busybox's
    module NAME...             modules of the kernel, with those that they depend on; /etc/modules has
                               the paths of all of them in the order of loading
    file PATH SOURCE [MODE]    a file that lies beside the recipe, or in the repository from `/` on
    folder PATH [MODE]         an empty folder
"""

import os
import sys
from pathlib import Path

import elf
from cpio import Archive

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib"]


def fail(why):
    sys.exit(f"initrd.py: {why}")


class Recipe:
    def __init__(self, tree, recipe):
        self.tree, self.beside = tree, recipe.parent
        self.archive = Archive()
        self.modules = {}
        found = list(tree.glob("lib/modules/*"))
        if len(found) != 1:
            fail(f"{tree} must have the modules of one kernel, and has those of {len(found)}")
        self.kernel = found[0]
        self.module_files = {name_of(path): path for path in self.kernel.rglob("*.ko")}
        self.built_in = {name_of(Path(line)) for line in (self.kernel / "modules.builtin").read_text().split()}
        for number, line in enumerate(recipe.read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            try:
                self.one(words[0], words[1:])
            except (ValueError, OSError, IndexError) as error:
                fail(f"{recipe}:{number}: {error}")
        order = "".join(f"/{path.relative_to(tree)}\n" for path in self.modules.values())
        self.archive.file("etc/modules", order.encode())

    def one(self, what, words):
        match what:
            case "program":
                for path in words:
                    self.program(path)
            case "applets":
                for name in words:
                    self.archive.link(f"bin/{name}", "busybox")
            case "module":
                for name in words:
                    self.module(name.replace("-", "_"))
            case "file":
                path, source, *mode = words
                source = REPOSITORY / source[1:] if source[0] == "/" else self.beside / source
                self.archive.file(path, source.read_bytes(), int(mode[0], 8) if mode else 0o644)
            case "folder":
                self.archive.folder(words[0], int(words[1], 8) if len(words) > 1 else 0o755)
            case _:
                raise ValueError(f"a recipe has no `{what}`")

    def read(self, path):
        """A file of a package; where it is a link, what it means in the tree and not on this machine."""
        for _ in range(10):
            if not (self.tree / path).is_symlink():
                return (self.tree / path).read_bytes()
            path = os.path.normpath(os.path.join("/", os.path.dirname(path), os.readlink(self.tree / path))).strip("/")
        raise ValueError(f"{path} is a link that goes in circles")

    def program(self, path):
        path = path.strip("/")
        content = self.read(path)
        self.archive.file(path, content, 0o755)
        loader, libraries = elf.needs(content)
        if loader:
            self.library(loader.strip("/"))
        for name in libraries:
            self.library(self.find_library(name))

    def find_library(self, name):
        for folder in LIBRARIES:
            if os.path.lexists(self.tree / folder / name):
                return f"{folder}/{name}"
        raise ValueError(f"no package has the library {name}")

    def library(self, path):
        if self.archive.has(path):
            return
        content = self.read(path)
        self.archive.file(path, content, 0o755)
        for name in elf.needs(content)[1]:
            self.library(self.find_library(name))

    def module(self, name):
        if name in self.modules or name in self.built_in:
            return
        if name not in self.module_files:
            raise ValueError(f"the kernel {self.kernel.name} has no module {name}")
        path = self.module_files[name]
        content = path.read_bytes()
        for key, value in elf.module_information(content):
            if key == "depends":
                for other in filter(None, value.split(",")):
                    self.module(other.replace("-", "_"))
        self.modules[name] = path
        self.archive.file(str(path.relative_to(self.tree)), content)


def name_of(path):
    return path.name.removesuffix(".ko").replace("-", "_")


def main():
    if len(sys.argv) != 4:
        fail("usage: initrd.py TREE RECIPE OUT")
    tree, recipe, out = map(Path, sys.argv[1:])
    archive = Recipe(tree, recipe).archive
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(archive.compressed())
    part.rename(out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(archive.raw()) / 1e6:.1f} MB unpacked")


main()
