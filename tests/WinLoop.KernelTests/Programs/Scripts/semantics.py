#!/usr/bin/env python3
"""Runs system calls in DIRECTORY (as root) and prints every answer: semantics.py DIRECTORY PART...

PART is a function of this file; "prepare_links" makes, on the kernel, what "links" needs. Run on the kernel's ext4 and on WinLoop over equal images, the two outputs have to be the same. Where the
kernel's answer could differ between machines, what has to hold is asserted instead of printed."""
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = -100, 0x400, 0x1000
NOBODY = 65534


def show(name, call, *arguments, **keywords):
    """Prints a call's answer or the name of its error."""
    try:
        result = call(*arguments, **keywords)
    except OSError as error:
        result = errno.errorcode.get(error.errno, error.errno)
    print(f"{name}: {result}", flush=True)
    return result


def as_user(name, call, *arguments, uid=NOBODY, gid=NOBODY, groups=(), **keywords):
    """The same in a process of another user."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            show(f"{uid}: {name}", call, *arguments, **keywords)
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.waitpid(child, 0)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def create(path, content=b"", mode=0o644, flags=0):
    fd = os.open(path, os.O_CREAT | os.O_RDWR | flags, mode)
    try:
        return os.write(fd, content) if content else 0
    finally:
        os.close(fd)


def read(path):
    with open(path, "rb") as file:
        return file.read(1000)


def append(path, content=b"more", flags=os.O_APPEND):
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        return os.write(fd, content)
    finally:
        os.close(fd)


def mode(path):
    info = os.lstat(path)
    return f"{info.st_mode:o} {info.st_uid}:{info.st_gid} links={info.st_nlink} size={info.st_size}"


def renameat2(source, target, flags):
    return check(libc.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flags))


def fallocate(fd, how, offset, length):
    return check(libc.fallocate(fd, how, ctypes.c_long(offset), ctypes.c_long(length)))


def names_and_limits():
    show("255 bytes", create, "n" * 255)
    show("256 bytes", create, "n" * 256)
    show("256 lookup", os.stat, "n" * 256)
    show("256 mkdir", os.mkdir, "n" * 256)
    show("256 rename to", os.rename, "n" * 255, "n" * 256)
    show("256 unlink", os.unlink, "n" * 256)
    show("256 link", os.link, "n" * 255, "m" * 256)
    show("256 symlink", os.symlink, "x", "m" * 256)
    show("255 in UTF-8", create, "ü" * 127 + "x")
    show("256 in UTF-8", create, "ü" * 128)
    show("symlink 4094", os.symlink, "t" * 4094, "sl4094")
    show("symlink 4095", os.symlink, "t" * 4095, "sl4095")
    show("symlink length", lambda: len(os.readlink("sl4094")))
    show("dangling", os.stat, "sl4094")
    os.symlink("loop2", "loop1")
    os.symlink("loop1", "loop2")
    show("loop", os.stat, "loop1")
    show("through a file", os.stat, "n" * 255 + "/x")
    show("mkdir exists", os.mkdir, "n" * 255)
    show("rmdir .", os.rmdir, ".")
    show("unlink directory", os.unlink, ".")
    os.makedirs("a/b")
    show("rmdir full", os.rmdir, "a")
    show("rename into itself", os.rename, "a", "a/b/c")
    show("rename over full", os.rename, "a/b", "a")
    show("rename file over directory", os.rename, "n" * 255, "a/b")
    show("rename directory over file", os.rename, "a/b", "n" * 255)
    show("attribute value 4000", os.setxattr, "a", "user.v", b"v" * 4000)
    show("attribute value 5000", os.setxattr, "a", "user.v", b"v" * 5000)
    show("attribute value 70000", os.setxattr, "a", "user.v", b"v" * 70000)
    show("attribute name 255", os.setxattr, "a", "user." + "n" * 250, b"")
    show("attribute name 256", os.setxattr, "a", "user." + "n" * 251, b"")
    show("attribute create exists", os.setxattr, "a", "user.v", b"", os.XATTR_CREATE)
    show("attribute replace missing", os.setxattr, "a", "user.w", b"", os.XATTR_REPLACE)
    show("attribute missing", os.getxattr, "a", "user.w")
    show("attribute remove missing", os.removexattr, "a", "user.w")
    show("attribute unknown space", os.setxattr, "a", "foo.bar", b"")
    show("user attribute on symlink", os.setxattr, "loop1", "user.v", b"", follow_symlinks=False)
    os.mkfifo("fifo")
    show("user attribute on fifo", os.setxattr, "fifo", "user.v", b"")
    os.truncate("n" * 255, 0)
    show("truncate to the limit", os.truncate, "n" * 255, (1 << 44) - 4096)
    show("truncate past the limit", os.truncate, "n" * 255, 1 << 44)
    fd = os.open("n" * 255, os.O_RDWR)
    show("write at the limit", os.pwrite, fd, b"xy", (1 << 44) - 4097)
    show("write past the limit", os.pwrite, fd, b"x", 1 << 44)
    show("fallocate past the limit", fallocate, fd, 0, (1 << 44) - 4096, 8192)
    show("negative", lambda: os.lseek(fd, -1, os.SEEK_SET))
    os.close(fd)
    show("truncate negative", os.truncate, "n" * 255, -1)
    show("truncate directory", os.truncate, "a", 0)


def prepare_links():
    """On the kernel: a file and a directory just below the limit of links."""
    create("many")
    for i in range(64_990):
        os.link("many", f"l{i}")
    os.mkdir("sub")
    for i in range(64_990):
        os.mkdir(f"sub/{i}")


def links():
    show("links", lambda: os.stat("many").st_nlink)
    for i in range(12):
        show("one more", os.link, "many", f"more{i}")
    show("rename over", os.rename, "l1", "l2")
    show("another name for one that went", os.unlink, "l3")
    show("  fits", os.link, "many", "fits")
    show("  only once", os.link, "many", "fits not")
    show("links", lambda: os.stat("many").st_nlink)
    show("link directory", os.link, ".", "self")
    for i in range(12):
        show("sub-directory", os.mkdir, f"sub/more{i}")
        show("links", lambda: os.stat("sub").st_nlink)
    for i in range(12):
        show("rmdir", os.rmdir, f"sub/more{i}")
    show("links", lambda: os.stat("sub").st_nlink)
    show("rmdir full", os.rmdir, "sub")


def times():
    create("t")
    for seconds in (0, 1, -1, 1234567890, 2**31 - 1, 2**31, 2**32, -2**31, 2**31 + 3 * 2**32 - 1):
        for nanoseconds in (0, 1, 999_999_999):
            moment = seconds * 10**9 + nanoseconds
            show(f"utimensat {moment}", os.utime, "t", ns=(moment, moment))
            show("  gives", lambda: (os.stat("t").st_atime_ns, os.stat("t").st_mtime_ns))
    for seconds in (2**34, -2**32, 2**40):
        show(f"utimensat {seconds}", os.utime, "t", (seconds, seconds))
        show("  gives", lambda: (os.stat("t").st_atime_ns, os.stat("t").st_mtime_ns))
    before = time.time_ns() - 20_000_000

    def touched(name, path, action):
        old = os.lstat(path)
        time.sleep(0.02)
        action()
        new = os.lstat(path)
        print(f"{name}: mtime {new.st_mtime_ns != old.st_mtime_ns} ctime {new.st_ctime_ns != old.st_ctime_ns} now {new.st_ctime_ns >= before}")
    os.mkdir("d")
    create("d/x", b"x")
    os.symlink("x", "d/s")
    touched("write", "t", lambda: append("t"))
    touched("write nothing", "t", lambda: append("t", b""))
    touched("truncate same", "t", lambda: os.truncate("t", os.stat("t").st_size))
    touched("O_TRUNC of something", "t", lambda: os.close(os.open("t", os.O_WRONLY | os.O_TRUNC)))
    touched("O_TRUNC of nothing", "t", lambda: os.close(os.open("t", os.O_WRONLY | os.O_TRUNC)))
    touched("truncate larger", "t", lambda: os.truncate("t", 100))
    touched("chmod", "t", lambda: os.chmod("t", 0o600))
    touched("chown", "t", lambda: os.chown("t", 0, 0))
    touched("setxattr", "t", lambda: os.setxattr("t", "user.x", b"1"))
    touched("link", "t", lambda: os.link("t", "t2"))
    touched("unlink", "t", lambda: os.unlink("t2"))
    touched("create in", "d", lambda: create("d/y"))
    touched("unlink in", "d", lambda: os.unlink("d/y"))
    touched("mkdir in", "d", lambda: os.mkdir("d/z"))
    touched("rename out of", "d", lambda: os.rename("d/z", "z"))
    touched("fallocate", "t", lambda: with_fd("t", lambda fd: fallocate(fd, 0, 0, 100_000)))
    touched("punch", "t", lambda: with_fd("t", lambda fd: fallocate(fd, 3, 0, 8192)))
    touched("utime now", "d", lambda: os.utime("d"))
    as_user("utime of another's", os.utime, "t")
    as_user("utime of another's, given", os.utime, "t", (1, 1))
    os.chmod("t", 0o666)
    as_user("utime now of a writable", os.utime, "t")
    as_user("utime given of a writable", os.utime, "t", (1, 1))


def with_fd(path, action, flags=os.O_RDWR):
    fd = os.open(path, flags)
    try:
        return action(fd)
    finally:
        os.close(fd)


def owners_and_modes():
    create("f", b"x", 0o640)
    show("chown", os.chown, "f", 4_000_000_000, 3_000_000_000)
    show("  gives", mode, "f")
    os.chown("f", 0, 0)
    as_user("open unreadable", read, "f")
    as_user("chmod another's", os.chmod, "f", 0o777)
    as_user("chown another's", os.chown, "f", NOBODY, NOBODY)
    as_user("unlink in root's directory", os.unlink, "f")
    os.mkdir("public")
    os.chmod("public", 0o777)
    os.mkdir("tmp")
    os.chmod("tmp", 0o1777)
    create("tmp/roots")
    as_user("create in sticky", create, "tmp/mine")
    as_user("unlink another's in sticky", os.unlink, "tmp/roots")
    as_user("rename another's in sticky", os.rename, "tmp/roots", "tmp/x")
    as_user("unlink own in sticky by another", os.unlink, "tmp/mine", uid=1000)
    as_user("unlink own in sticky", os.unlink, "tmp/mine")
    os.mkdir("group")
    os.chown("group", 0, 50)
    os.chmod("group", 0o2777)
    as_user("create in setgid", create, "group/f")
    show("  gives", mode, "group/f")
    as_user("mkdir in setgid", os.mkdir, "group/d")
    show("  gives", mode, "group/d")
    as_user("create setgid there", create, "group/g", b"", 0o2755)
    show("  gives", mode, "group/g")
    as_user("chmod setgid without the group", os.chmod, "group/f", 0o2755)
    show("  gives", mode, "group/f")
    as_user("create", create, "public/p", b"x", 0o666)
    show("  gives", mode, "public/p")
    for bits in (0o4755, 0o2755, 0o6755, 0o2745):
        os.chmod("public/p", bits)
        as_user(f"write to {bits:o}", append, "public/p")
        show("  gives", mode, "public/p")
        os.chmod("public/p", bits)
        as_user("truncate", os.truncate, "public/p", 1)
        show("  gives", mode, "public/p")
        os.chmod("public/p", bits)
        as_user("chown by the owner", os.chown, "public/p", -1, NOBODY)
        show("  gives", mode, "public/p")
        os.chmod("public/p", bits)
        show("chown by root", os.chown, "public/p", NOBODY, NOBODY)
        show("  gives", mode, "public/p")
    os.setxattr("public/p", "security.capability", bytes.fromhex("0100000200240000000000000000000000000000"))
    as_user("write", append, "public/p")
    show("capability after a write", lambda: os.getxattr("public/p", "security.capability"))
    as_user("chgrp to a group of one's own", os.chown, "public/p", -1, 77, groups=(77,))
    as_user("chgrp to another group", os.chown, "public/p", -1, 78, groups=(77,))
    as_user("mknod", os.mknod, "public/n", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    show("mknod", os.mknod, "public/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    show("  reads", read, "public/null")
    as_user("trusted attribute", os.setxattr, "public/p", "trusted.x", b"")
    as_user("security attribute", os.setxattr, "public/p", "security.x", b"")
    as_user("list of attributes", lambda: sorted(os.listxattr("public/p")))
    os.umask(0o027)
    create("masked", b"", 0o777)
    show("umask", mode, "masked")
    os.umask(0)


def acls():
    def acl(*options):
        subprocess.run(["setfacl", *options], check=True)

    def shown(path):
        return subprocess.run(["getfacl", "-cpn", path], check=True, capture_output=True, text=True).stdout.split()
    create("f", b"content", 0o600)
    as_user("no ACL", read, "f", uid=1000)
    acl("-m", "u:1000:r", "f")
    show("mode with ACL", mode, "f")
    as_user("named user reads", read, "f", uid=1000)
    as_user("named user writes", append, "f", uid=1000)
    as_user("other user reads", read, "f", uid=1001)
    os.chmod("f", 0o600)
    as_user("masked by chmod", read, "f", uid=1000)
    show("ACL after chmod", shown, "f")
    os.chmod("f", 0o660)
    acl("-m", "g:500:rw", "f")
    as_user("named group by supplementary group", append, "f", uid=1001, groups=(500,))
    acl("-m", "u:1001:-", "f")
    as_user("named user denied before group", append, "f", uid=1001, groups=(500,))
    os.mkdir("d")
    acl("-d", "-m", "u:1000:rwx,g::rx,o::-", "d")
    os.umask(0o077)
    create("d/f", b"x", 0o666)
    os.mkdir("d/sub", 0o777)
    os.umask(0)
    os.mknod("d/fifo", stat.S_IFIFO | 0o666)
    os.symlink("f", "d/s")
    for name in ("d/f", "d/sub", "d/fifo"):
        show(name, mode, name)
        show("  ACL", shown, name)
    as_user("through the default ACL", read, "d/f", uid=1000)
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o666)
    show("O_TMPFILE in it", lambda: f"{os.fstat(fd).st_mode:o}")
    os.close(fd)
    as_user("set another's ACL", os.setxattr, "f", "system.posix_acl_access", os.getxattr("f", "system.posix_acl_access"), uid=1000)
    show("default ACL on a file", os.setxattr, "f", "system.posix_acl_default", os.getxattr("d", "system.posix_acl_default"))
    show("broken ACL", os.setxattr, "f", "system.posix_acl_access", b"\2\0\0\0\1\0\7\0\xff\xff\xff\xff")
    show("nonsense ACL", os.setxattr, "f", "system.posix_acl_access", b"nonsense")
    acl("-b", "f")
    show("removed", shown, "f")
    show("  list", os.listxattr, "f")
    acl("-k", "d")
    show("default removed", shown, "d")


def flags():
    def chattr(*options):
        return subprocess.run(["chattr", *options], capture_output=True).returncode

    def lsattr(path):
        return subprocess.run(["lsattr", "-d", path], capture_output=True, text=True).stdout.split()[0]
    create("i", b"x")
    os.mkdir("id")
    create("id/f")
    create("a", b"x")
    os.mkdir("ad")
    show("chattr +i", chattr, "+i", "i", "id")
    show("chattr +a", chattr, "+a", "a", "ad")
    for name in ("i", "id", "a", "ad"):
        show(f"lsattr {name}", lsattr, name)
    for name in ("i", "a"):
        show(f"{name} append", append, name)
        show(f"{name} overwrite", append, name, flags=0)
        show(f"{name} O_TRUNC", append, name, flags=os.O_TRUNC | os.O_APPEND)
        show(f"{name} truncate", os.truncate, name, 0)
        show(f"{name} unlink", os.unlink, name)
        show(f"{name} rename", os.rename, name, "z")
        show(f"{name} link", os.link, name, "z")
        show(f"{name} chmod", os.chmod, name, 0o600)
        show(f"{name} utime", os.utime, name, (1, 1))
        show(f"{name} utime now", os.utime, name)
        show(f"{name} setxattr", os.setxattr, name, "user.x", b"")
        show(f"{name} read", read, name)
    for name in ("id", "ad"):
        show(f"{name} create in", create, f"{name}/n")
        show(f"{name} mkdir in", os.mkdir, f"{name}/m")
        show(f"{name} unlink in", os.unlink, f"{name}/f")
        show(f"{name} rename in", os.rename, f"{name}/f", f"{name}/g")
        show(f"{name} rename into", os.rename, "z0", f"{name}/g")
        show(f"{name} rmdir", os.rmdir, name)
    show("chattr -i -a", chattr, "-ia", "i", "id", "a", "ad")
    show("unlink", os.unlink, "i")
    show("chattr +d +A +S", chattr, "+dAS", "a")
    show("lsattr", lsattr, "a")
    show("inherited", lambda: (chattr("+d", "ad"), create("ad/inherits"), lsattr("ad/inherits")))
    as_user("chattr by another", chattr, "+d", "a")


def files():
    create("f", b"0123456789")
    fd = os.open("f", os.O_RDWR | os.O_APPEND)
    show("O_APPEND ignores the offset", lambda: (os.lseek(fd, 0, 0), os.write(fd, b"A"), os.pwrite(fd, b"B", 0)))
    os.close(fd)
    show("  gives", read, "f")
    show("O_EXCL exists", os.open, "f", os.O_CREAT | os.O_EXCL)
    show("O_DIRECTORY", os.open, "f", os.O_DIRECTORY)
    show("open directory for writing", os.open, ".", os.O_WRONLY)
    os.symlink("f", "s")
    show("O_NOFOLLOW", os.open, "s", os.O_NOFOLLOW)

    # Appends from several processes never overwrite each other.
    create("log")
    children = []
    for who in range(4):
        child = os.fork()
        if child == 0:
            fd = os.open("log", os.O_WRONLY | os.O_APPEND)
            for i in range(300):
                os.write(fd, b"%d %06d\n" % (who, i))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    with open("log") as file:
        lines = file.read().splitlines()
    show("appended lines", lambda: (len(lines), len(set(lines))))

    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    show("O_TMPFILE", lambda: (os.write(fd, b"temporary"), os.fstat(fd).st_nlink))
    show("linkat", lambda: check(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, b"named", AT_SYMLINK_FOLLOW)))
    show("  gives", lambda: (read("named"), mode("named"), os.fstat(fd).st_nlink))
    show("linkat AT_EMPTY_PATH", lambda: check(libc.linkat(fd, b"", AT_FDCWD, b"named2", AT_EMPTY_PATH)))
    os.close(fd)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o640)
    show("linkat of O_EXCL", lambda: check(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, b"no", AT_SYMLINK_FOLLOW)))
    os.close(fd)

    create("u", b"unlinked")
    fd = os.open("u", os.O_RDWR)
    os.unlink("u")
    show("open-unlinked", lambda: (os.fstat(fd).st_nlink, os.read(fd, 100), os.pwrite(fd, b"still", 100_000), os.fstat(fd).st_size))
    show("  fchmod, futimens, ftruncate, fsync", lambda: (os.fchmod(fd, 0o600), os.utime(fd, (5, 5)), os.ftruncate(fd, 7), os.fsync(fd), mode_fd(fd)))
    show("  setxattr", lambda: (os.setxattr(fd, "user.x", b"1"), os.getxattr(fd, "user.x")))
    show("  link", lambda: check(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, b"again", AT_SYMLINK_FOLLOW)))
    show("  map", lambda: mmap.mmap(fd, 7, prot=mmap.PROT_READ)[:])
    os.close(fd)
    os.mkdir("gone")
    fd = os.open("gone", os.O_RDONLY)
    os.rmdir("gone")
    show("removed directory", lambda: (os.listdir(fd), os.fstat(fd).st_nlink))
    show("create in it", lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def mode_fd(fd):
    info = os.fstat(fd)
    return f"{info.st_mode:o} {info.st_size}"


def renames():
    NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
    create("a", b"a")
    create("b", b"b")
    os.mkdir("d")
    create("d/in", b"in")
    show("NOREPLACE exists", renameat2, "a", "b", NOREPLACE)
    show("NOREPLACE", renameat2, "a", "c", NOREPLACE)
    show("EXCHANGE", renameat2, "c", "b", EXCHANGE)
    show("  gives", lambda: (read("b"), read("c")))
    show("EXCHANGE file and directory", renameat2, "b", "d", EXCHANGE)
    show("  gives", lambda: (read("b/in"), read("d")))
    show("EXCHANGE missing", renameat2, "b", "none", EXCHANGE)
    os.makedirs("p/q")
    show("EXCHANGE across", renameat2, "p/q", "c", EXCHANGE)
    show("  gives", lambda: (mode("p"), mode("c"), read("p/q"), os.lstat("c").st_ino != 0))
    show("EXCHANGE with an ancestor", renameat2, "p/q", "p", EXCHANGE)
    show("WHITEOUT", renameat2, "d", "w", WHITEOUT)
    show("  gives", lambda: (mode("d"), os.lstat("d").st_rdev, read("w")))
    show("NOREPLACE and EXCHANGE", renameat2, "b", "w", NOREPLACE | EXCHANGE)
    show("unknown flags", renameat2, "b", "w", 64)
    os.link("w", "w2")
    show("rename onto the same inode", os.rename, "w", "w2")
    show("  both stay", lambda: (mode("w"), mode("w2")))
    os.mkdir("e1")
    os.mkdir("e2")
    show("directory over empty directory", os.rename, "e1", "e2")
    show("links of the top", lambda: os.stat(".").st_nlink)
    show("rename ..", os.rename, "e2/..", "x")
    show("missing", os.rename, "missing", "x")


def space_in_files():
    # Collapsing and inserting ranges do not get through FUSE; the engine's own tests have them.
    KEEP, PUNCH, ZERO = 1, 2, 16
    fd = os.open("s", os.O_RDWR | os.O_CREAT)
    for at in (0, 100_000, 1 << 30, 1 << 40):
        os.pwrite(fd, b"data", at)
    os.fsync(fd)

    def segments():
        found, at, end = [], 0, os.fstat(fd).st_size
        while at < end:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                found.append(errno.errorcode[error.errno])
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
        return found
    show("segments", segments)
    show("blocks", lambda: os.fstat(fd).st_blocks)
    show("SEEK_DATA past the end", lambda: os.lseek(fd, 1 << 41, os.SEEK_DATA))
    show("SEEK_HOLE past the end", lambda: os.lseek(fd, 1 << 41, os.SEEK_HOLE))
    os.ftruncate(fd, 0)
    os.pwrite(fd, bytes(range(256)) * 256, 0)
    for name, how, offset, length in (("keep", KEEP, 1 << 20, 1 << 20), ("allocate", 0, 65_000, 100_000), ("punch", PUNCH | KEEP, 5000, 20_000),
                                      ("zero", ZERO, 30_000, 9000), ("no length", 0, 0, 0), ("punch without keep", PUNCH, 0, 4096),
                                      ("zero keep", ZERO | KEEP, 0, 1 << 21), ("unknown", 128, 0, 4096)):
        show(name, fallocate, fd, how, offset, length)
        os.fsync(fd)
        # Not the segments: the kernel counts what happens to be in its page cache as data. Nor extent nodes.
        show("  gives", lambda: (os.fstat(fd).st_size, os.fstat(fd).st_blocks // 8, hash_of(fd)))
    os.close(fd)
    create("from", bytes(range(256)) * 1024)
    source, target = os.open("from", os.O_RDONLY), os.open("to", os.O_RDWR | os.O_CREAT)
    show("copy_file_range", os.copy_file_range, source, target, 200_000, 1000, 70_000)
    show("  at the end", os.copy_file_range, source, target, 200_000, 262_144, 0)
    show("  gives", lambda: (os.fstat(target).st_size, hash_of(target)))
    show("  overlapping in one file", lambda: with_fd("from", lambda fd: os.copy_file_range(fd, fd, 5000, 0, 100)))
    show("sendfile", os.sendfile, target, source, 0, 100_000)
    show("FICLONE", lambda: fcntl.ioctl(target, 0x40049409, source))
    os.close(source)
    os.close(target)
    show("statx blocks of a small file", lambda: (create("small", b"x"), sync("small"), os.stat("small").st_blocks))


def sync(path):
    with_fd(path, os.fsync)


def hash_of(fd):
    import hashlib
    size = os.fstat(fd).st_size
    return hashlib.sha256(os.pread(fd, size, 0)).hexdigest()[:16]


def locks():
    create("l", b"x" * 100)

    def attempt(name, action):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            other = os.open("l", os.O_RDWR)
            show(name, action, other)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
    fd = os.open("l", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    attempt("flock EX against EX", lambda f: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB))
    fcntl.flock(fd, fcntl.LOCK_SH)
    attempt("flock SH against SH", lambda f: fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB))
    fcntl.flock(fd, fcntl.LOCK_UN)
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)
    attempt("fcntl overlapping", lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5))
    attempt("fcntl beside", lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10))
    attempt("F_GETLK", lambda f: struct.unpack("hhqqi", fcntl.fcntl(f, fcntl.F_GETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)))[:4])
    os.close(fd)
    attempt("fcntl after close", lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB))
    # A blocked lock is granted when its holder lets go.
    fd = os.open("l", os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        fcntl.lockf(os.open("l", os.O_RDWR), fcntl.LOCK_EX)
        os._exit(7)
    time.sleep(0.1)
    fcntl.lockf(fd, fcntl.LOCK_UN)
    show("blocked lock granted", lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.close(fd)


def statfs():
    info = os.statvfs(".")
    # Not f_bavail: what is kept back for metadata beside the reserved blocks is each implementation's own.
    print("statvfs:", [getattr(info, f) for f in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_files", "f_ffree", "f_favail", "f_namemax")])
    return info


def full():
    """A full file system: root gets the reserved blocks, others do not, and all of it comes back."""
    statfs()
    os.mkdir("full")
    os.chmod("full", 0o777)
    before = os.statvfs(".")

    def fill(path):
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            while True:
                os.write(fd, bytes(65536))
        except OSError as error:
            while True:
                # What a large write no longer fits, a small one still may.
                try:
                    os.write(fd, bytes(4096))
                except OSError:
                    break
            try:
                os.fsync(fd)
            except OSError:
                pass
            return errno.errorcode[error.errno]
        finally:
            os.close(fd)
    as_user("fill", fill, "full/user")
    middle = os.statvfs(".")
    print("available to users under 1 %:", middle.f_bavail * 100 < before.f_bavail, "reserve left:", middle.f_bfree > before.f_blocks // 25)
    as_user("create without room", create, "full/other", b"x" * 100_000)
    show("root still writes", create, "full/root", b"x" * 100_000)
    show("root fills", fill, "full/rest")
    after = os.statvfs(".")
    print("available:", after.f_bavail)
    show("fallocate without room", lambda: with_fd("full/root", lambda fd: fallocate(fd, 0, 0, 1 << 30)))
    for name in ("user", "root", "rest", "other"):
        if os.path.exists(f"full/{name}"):
            os.unlink(f"full/{name}")
    show("room again", create, "full/again", b"x" * 1_000_000)
    os.unlink("full/again")
    fd = os.open(".", os.O_RDONLY)
    check(libc.syncfs(fd))
    os.close(fd)
    end = os.statvfs(".")
    print("blocks back:", end.f_bfree == before.f_bfree, "inodes back:", end.f_ffree == before.f_ffree)
    # Inodes run out too.
    count = 0
    try:
        while True:
            create(f"full/{count}")
            count += 1
    except OSError as error:
        print("inodes:", errno.errorcode[error.errno], os.statvfs(".").f_ffree)
    for i in range(count):
        os.unlink(f"full/{i}")
    os.rmdir("full")


def main():
    os.umask(0)
    os.chdir(sys.argv[1])
    os.chmod(".", 0o755)
    top = os.getcwd()
    for part in sys.argv[2:]:
        print(f"== {part}")
        folder = part.removeprefix("prepare_")
        os.makedirs(folder, exist_ok=True)
        os.chdir(folder)
        globals()[part]()
        os.chdir(top)


main()
