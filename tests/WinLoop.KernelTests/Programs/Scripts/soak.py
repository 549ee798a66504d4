"""One of several processes that use a mount: create, write, fsync, rename, unlink, xattr, big directories, mmap.

usage: soak.py DIRECTORY NUMBER SEED

Works until its standard input ends, then prints a line of counts. What it reads back has to be what it wrote; an
error of any call, or other content, ends it with a trace. It pauses between rounds, so that several of them leave
the machine usable.
"""
import errno
import mmap
import os
import random
import select
import shutil
import sys
import time

top, number, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rand = random.Random(seed * 1000 + number)
home = os.path.join(top, 'own%d' % number)
shared = os.path.join(top, 'shared')
os.makedirs(home, exist_ok=True)
os.makedirs(shared, exist_ok=True)
files = {}                  # path -> (size, byte)
counts = {}
LIMIT = 150                 # files of a process
serial = 0


def count(what):
    counts[what] = counts.get(what, 0) + 1


def new_path():
    global serial
    serial += 1
    return os.path.join(home, 'f%d-%s' % (serial, 'n' * rand.choice((1, 1, 20, 200))))


def create():
    if len(files) >= LIMIT:
        return unlink()
    path = new_path()
    size, byte = int(2 ** rand.uniform(0, 19)), rand.randrange(1, 256)
    with open(path, 'wb', buffering=0) as f:
        f.write(bytes([byte]) * size)
        if rand.random() < 0.3:
            os.fsync(f.fileno())
            count('fsync')
    files[path] = (size, byte)


def pick():
    return rand.choice(list(files)) if files else None


def unlink():
    path = pick()
    if path:
        del files[path]
        if rand.random() < 0.2:
            with open(path, 'rb') as f:         # open without a name
                os.unlink(path)
                f.read(100)
        else:
            os.unlink(path)


def rename():
    path = pick()
    if not path:
        return
    other = new_path() if rand.random() < 0.5 else pick()
    if other == path:
        return
    # By a detour through the directory that all share.
    between = os.path.join(shared, '%d-%d' % (number, serial))
    os.rename(path, between)
    os.rename(between, other)
    files[other] = files.pop(path)


def overwrite():
    path = pick()
    if path:
        size, byte = files[path]
        byte = rand.randrange(1, 256)
        with open(path, 'r+b', buffering=0) as f:
            f.write(bytes([byte]) * size)
            if rand.random() < 0.3:
                os.fdatasync(f.fileno())
                count('fsync')
        files[path] = (size, byte)


def truncate():
    path = pick()
    if path:
        size, byte = files[path]
        size = rand.randrange(size + 1)
        os.truncate(path, size)
        files[path] = (size, byte)


def verify():
    path = pick()
    if path:
        size, byte = files[path]
        with open(path, 'rb') as f:
            found = f.read()
        if found != bytes([byte]) * size:
            raise SystemExit('%s: %d bytes of %d, or other content than %d' % (path, len(found), size, byte))


def map_memory():
    path = pick()
    if path and files[path][0] > 0:
        size, byte = files[path]
        byte = rand.randrange(1, 256)
        with open(path, 'r+b') as f, mmap.mmap(f.fileno(), size) as m:
            m[:] = bytes([byte]) * size
            if rand.random() < 0.5:
                m.flush()
        files[path] = (size, byte)


def attribute():
    path = pick()
    if not path:
        return
    name = 'user.a%d' % rand.randrange(4)
    value = bytes([rand.randrange(256)]) * rand.choice((0, 10, 100, 900))
    try:
        os.setxattr(path, name, value)
        if os.getxattr(path, name) != value:
            raise SystemExit('%s: %s has another value' % (path, name))
        if rand.random() < 0.4:
            os.removexattr(path, name)
    except OSError as e:
        if e.errno != errno.ENOSPC:             # all of the space for attributes is taken
            raise


def big_directory():
    path = os.path.join(home, 'big')
    os.mkdir(path)
    names = {'%d-%s' % (i, 'x' * 40) for i in range(rand.choice((50, 300, 1500)))}
    for name in names:
        os.close(os.open(os.path.join(path, name), os.O_CREAT | os.O_WRONLY))
    if set(os.listdir(path)) != names:
        raise SystemExit('%s lists other names' % path)
    for name in sorted(names)[::3]:
        os.stat(os.path.join(path, name))
    if rand.random() < 0.5:
        shutil.rmtree(path)
    else:
        for name in names:
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


def links():
    path = pick()
    if path:
        link = os.path.join(home, 'link')
        os.link(path, link)
        os.unlink(link)
        os.symlink('t' * rand.choice((10, 500)), link)
        os.readlink(link)
        os.unlink(link)


WEIGHTS = ((create, 20), (unlink, 14), (rename, 10), (overwrite, 12), (truncate, 4), (verify, 14), (map_memory, 6), (attribute, 14),
           (big_directory, 0.3), (links, 4))
deeds, weights = zip(*WEIGHTS)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    for deed in rand.choices(deeds, weights, k=25):
        deed()
        count(deed.__name__)
for path in list(files):
    size, byte = files[path]
    with open(path, 'rb') as f:
        if f.read() != bytes([byte]) * size:
            raise SystemExit('%s: other content at the end' % path)
print(' '.join('%s=%d' % pair for pair in sorted(counts.items())))
