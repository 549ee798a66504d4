#!/usr/bin/env python3
"""Unpacks a made-up tree and says what is safe: writer.py DIRECTORY LOG SEED; runs until the file system dies.

A line "name sha256" is in LOG only after fsync of the file and of its directory were acknowledged. A line
"- name" says that the name is about to be removed, so that it may be there or not. Other files are written
without fsync in between, as tar does."""
import hashlib
import os
import random
import sys

top, log, seed = sys.argv[1], open(sys.argv[2], "a", buffering=1), int(sys.argv[3])
rng = random.Random(seed)
safe = []


def write(name, content):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    for at in range(0, len(content), 20_000):
        os.write(fd, content[at:at + 20_000])
    return fd


try:
    for number in range(10**9):
        folder = f"{top}/s{seed}/{number // 50}"
        if number % 50 == 0:
            os.makedirs(folder)
            # The directory's own name has to be safe before what is in it can be.
            for name in (top, f"{top}/s{seed}"):
                fd = os.open(name, os.O_RDONLY)
                os.fsync(fd)
                os.close(fd)
        name = f"{folder}/file {number}"
        content = rng.randbytes(rng.choice((10, 500, 4096, 30_000, 200_000)))
        fd = write(name, content)
        kind = rng.random()
        if kind < 0.5:
            os.fsync(fd)
            os.close(fd)
            if kind < 0.1:
                os.rename(name, name + ".renamed")
                name += ".renamed"
            directory = os.open(folder, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
            log.write(f"{name[len(top) + 1:]}\t{hashlib.sha256(content).hexdigest()}\n")
            safe.append(name)
        else:
            os.close(fd)
            if kind < 0.6:
                os.setxattr(name, "user.name", name.encode())
            elif kind < 0.65:
                os.link(name, name + ".link")
            elif kind < 0.7:
                os.symlink("x" * 100, name + ".symlink")
            elif kind < 0.75 and safe:
                victim = safe.pop(rng.randrange(len(safe)))
                log.write(f"-\t{victim[len(top) + 1:]}\n")
                os.unlink(victim)
            elif kind < 0.8:
                os.unlink(name)
except OSError as error:
    print(f"stopped by {error}")
