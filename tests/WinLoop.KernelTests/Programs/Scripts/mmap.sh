# Shared mappings: written, synchronised and unsynchronised, seen by read(), grown, and mixed with write().
python3 - "$M" <<'P'
import mmap, os, random, sys
top = sys.argv[1]
size = 4 << 20
rng = random.Random(5)
for name, sync in (("synced", True), ("unsynced", False)):
    fd = os.open(f"{top}/{name}", os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, size)
    model = bytearray(size)
    with mmap.mmap(fd, size, mmap.MAP_SHARED) as view:
        for _ in range(800):
            at, length = rng.randrange(size - 9000), rng.randrange(1, 9000)
            data = rng.randbytes(length)
            model[at:at + length] = data
            if rng.random() < 0.3:
                os.pwrite(fd, data, at)
            else:
                view[at:at + length] = data
            if rng.random() < 0.05:
                assert os.pread(fd, length, at) == data
            if sync and rng.random() < 0.02:
                view.flush()
        assert view[:] == bytes(model) and os.pread(fd, size, 0) == bytes(model)
        # Memory past the end of the file is no part of it.
        os.ftruncate(fd, size - 5000)
        os.ftruncate(fd, size)
        model[size - 5000:] = bytes(5000)
        assert view[size - 8192:] == bytes(model[size - 8192:])
        if sync:
            view.flush()
    os.close(fd)
    open(f"{os.environ['T']}/{name}", "wb").write(model)
# A hole that a mapping fills.
fd = os.open(f"{top}/hole", os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(fd, 1 << 30)
with mmap.mmap(fd, 1 << 30, mmap.MAP_SHARED) as view:
    for at in range(0, 1 << 30, 100_000_007):
        view[at:at + 4] = b"data"
    view.flush()
os.close(fd)
assert os.stat(f"{top}/hole").st_blocks < 4096
P
cmp "$M/synced" "$T/synced"
cmp "$M/unsynced" "$T/unsynced"
