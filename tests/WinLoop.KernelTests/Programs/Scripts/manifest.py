#!/usr/bin/env python3
"""Prints a tree as one sorted line per entry, to be compared with another tree's.

manifest.py [--image | --windows] DIRECTORY

Always: kind, mode, owner, link count, mtime in ns, size of files, device number, target, extended attributes
with values (ACLs are among them), SHA-256 of the content, and which names are one inode.
With --image also what only two mounts of one image share: inode number, ctime, blocks, sizes of directories.
With --windows only what goes through Windows: mtime in units of 100 ns, user.* attributes, every name on its own,
names and targets in hexadecimal.
"""
import errno
import hashlib
import os
import stat
import sys


CHUNK = 1 << 18
ZEROES = bytes(CHUNK)


def digest(path):
    # Of the chunks that are not all zero, with their places: holes of terabytes cost nothing.
    sha = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        at = 0
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // CHUNK * CHUNK
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return sha.hexdigest()
            chunk = os.pread(file.fileno(), CHUNK, at)
            if chunk != ZEROES[:len(chunk)]:
                sha.update(at.to_bytes(8, "little") + chunk)
            at += CHUNK


def attributes(path):
    def shown(value):
        return value.hex() if len(value) <= 64 else f"{len(value)}:{hashlib.sha256(value).hexdigest()}"
    return ",".join(f"{name}={shown(os.getxattr(path, name, follow_symlinks=False))}"
                    for name in sorted(os.listxattr(path, follow_symlinks=False)))


def print_windows(name, path, info):
    kind = stat.S_IFMT(info.st_mode)
    what = "-"
    if kind == stat.S_IFREG:
        what = f"{info.st_size}:{digest(path)}"
    elif kind == stat.S_IFLNK:
        what = os.readlink(path).hex()
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        what = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    values = [f"{a[5:].lower()}={os.getxattr(path, a, follow_symlinks=False).hex()}" for a in sorted(os.listxattr(path, follow_symlinks=False))
              if a.startswith("user.") and a != "user.DOSATTRIB"]
    print(name.hex() or "-", f"{info.st_mode:o}", f"{info.st_uid}:{info.st_gid}", info.st_mtime_ns // 100, what, ",".join(values) or "-")


def main():
    arguments = sys.argv[1:]
    is_windows = "--windows" in arguments
    is_image = "--image" in arguments
    root = os.fsencode([a for a in arguments if not a.startswith("--")][0])
    first_names = {}
    pending, names = [b""], []
    while pending:
        folder = pending.pop()
        names.append(folder)
        for entry in os.scandir(os.path.join(root, folder)):
            name = os.path.join(folder, entry.name)
            if name == b"lost+found":
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(name)
            else:
                names.append(name)
    for name in sorted(names):
        path = os.path.join(root, name) if name else root
        info = os.lstat(path)
        if is_windows:
            print_windows(name, path, info)
            continue
        kind = stat.S_IFMT(info.st_mode)
        fields = [repr(name)[1:], f"{info.st_mode:o}", f"{info.st_uid}:{info.st_gid}", f"links={info.st_nlink}", f"m={info.st_mtime_ns}"]
        if kind == stat.S_IFREG:
            known = first_names.setdefault(info.st_ino, name)
            fields += [f"size={info.st_size}", digest(path) if known == name else f"same as {known!r}"]
        elif kind == stat.S_IFLNK:
            fields += [f"size={info.st_size}", f"-> {os.readlink(path)!r}"]
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            fields += [f"dev={os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"]
        if kind == stat.S_IFLNK or kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
            known = first_names.setdefault(info.st_ino, name)
            fields += [] if known == name else [f"same as {known!r}"]
        if is_image:
            fields += [f"ino={info.st_ino}", f"c={info.st_ctime_ns}", f"blocks={info.st_blocks}", f"size={info.st_size}"]
        fields.append(attributes(path))
        print(" ".join(fields))


main()
