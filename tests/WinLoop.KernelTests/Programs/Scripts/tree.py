#!/usr/bin/env python3
"""Fills a directory with a Debian-like tree: tree.py DIRECTORY FILES MEGABYTES

Copies from the machine's own /usr until both numbers are reached, and adds what such a tree rarely has:
device nodes, set-id programs, capabilities, ACLs, attributes of every size, holes, hard links, odd names and
times before 1970 and after 2038. Prints the number of files and bytes."""
import os
import shutil
import stat
import subprocess
import sys


def copy_system(target, wanted_files, wanted_bytes):
    files = size = 0
    for top in ("/usr/share/doc", "/usr/bin", "/usr/share/zoneinfo", "/usr/share/man", "/usr/share/perl", "/usr/include", "/usr/lib/python3", "/usr/lib", "/usr/share"):
        for folder, folders, names in os.walk(top):
            if folder.startswith("/usr/lib/modules") or (top in ("/usr/lib", "/usr/share") and folder != top and os.path.exists(target + folder)):
                folders[:] = []
                continue
            if files >= wanted_files and size >= wanted_bytes:
                return files, size
            os.makedirs(target + folder, exist_ok=True)
            for name in names:
                source = os.path.join(folder, name)
                try:
                    info = os.lstat(source)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(info.st_mode) and files >= wanted_files and info.st_size < 100_000:
                    continue
                if size >= wanted_bytes and info.st_size > 20_000:
                    continue
                shutil.copy2(source, target + source, follow_symlinks=False)
                os.chown(target + source, info.st_uid, info.st_gid, follow_symlinks=False)
                if not stat.S_ISLNK(info.st_mode):
                    os.chmod(target + source, stat.S_IMODE(info.st_mode))
                os.utime(target + source, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)
                files += 1
                size += info.st_size if stat.S_ISREG(info.st_mode) else 0
            info = os.stat(folder)
            os.utime(target + folder, ns=(info.st_atime_ns, info.st_mtime_ns))
    return files, size


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def run(*command):
    subprocess.run(command, check=True)


def add_special_cases(top):
    os.mkdir(top)
    at = lambda name: os.path.join(top, name)
    for i, (kind, device) in enumerate(((stat.S_IFCHR, (1, 3)), (stat.S_IFBLK, (7, 300)), (stat.S_IFCHR, (4095, 1048575)), (stat.S_IFBLK, (259, 65537)))):
        os.mknod(at(f"device{i}"), kind | 0o620, os.makedev(*device))
        os.chown(at(f"device{i}"), 0, 5)
    os.mknod(at("socket"), stat.S_IFSOCK | 0o755)
    os.mkfifo(at("fifo"), 0o640)
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("both", 0o6711), ("none", 0)):
        write(at(name), name.encode())
        os.chown(at(name), 1000, 70000)
        os.chmod(at(name), mode)
    write(at("capable"), b"#!/bin/sh\n")
    run("setcap", "cap_net_raw,cap_net_bind_service+ep", at("capable"))
    os.mkdir(at("sticky"))
    os.chmod(at("sticky"), 0o1777)
    os.mkdir(at("acl"))
    write(at("acl/file"), b"acl")
    run("setfacl", "-m", "u:1234:rw,g:4321:r,m::rwx", at("acl/file"))
    run("setfacl", "-m", "u:77:rwx", "-d", "-m", "u:1234:rx,g:99:rwx", at("acl"))
    for size in (0, 1, 30, 100, 900, 3000):
        write(at(f"attribute{size}"), b"x" * size)
        os.setxattr(at(f"attribute{size}"), "user.value", bytes(i & 255 for i in range(size)))
        os.setxattr(at(f"attribute{size}"), "trusted.second", b"second")
    for i in range(20):
        # Equal attribute blocks, which ext4 shares between inodes.
        write(at(f"shared{i}"), b"")
        os.setxattr(at(f"shared{i}"), "user.shared", b"s" * 600)
    os.setxattr(top, "user.on.directory", b"d" * 200)
    for i in range(300):
        os.link(at("setuid"), at(f"link{i:03}"))
    for length in (1, 59, 60, 61, 1023):
        os.symlink("t" * length, at(f"symlink{length}"))
    os.symlink("nowhere", at("symlink.owned"))
    os.lchown(at("symlink.owned"), 1, 2)
    os.setxattr(at("symlink.owned"), "trusted.link", b"on a link", follow_symlinks=False)
    os.link(at("symlink.owned"), at("symlink.linked"), follow_symlinks=False)
    os.link(at("device0"), at("device.linked"))
    write(at("n" * 255), b"255")
    write(os.path.join(os.fsencode(top), b"not\xffutf8\n"), b"bytes")
    write(at("grüße, 世界"), b"utf8")
    with open(at("holes"), "wb") as file:
        for i in range(40):
            file.seek(i * 1_000_003)
            file.write(b"island %d" % i)
        file.truncate(80_000_000)
    os.makedirs(at("/".join("deep%02d" % i for i in range(60))))
    os.mkdir(at("many"))
    for i in range(3000):
        os.close(os.open(at(f"many/a rather long name for an empty file number {i}"), os.O_CREAT | os.O_WRONLY))
    for name, seconds in (("1960", -300_000_000), ("2037", 2_130_000_000), ("2040", 2_220_000_000), ("2400", 13_569_465_600)):
        write(at(name), b"")
        os.utime(at(name), ns=(seconds * 10**9 + 1, seconds * 10**9 + 999_999_999))


def main():
    target = sys.argv[1]
    files, size = copy_system(target, int(sys.argv[2]), int(sys.argv[3]) << 20)
    add_special_cases(os.path.join(target, "special"))
    print(f"{files + 3400} files, {size >> 20} MiB")


os.umask(0o022)
main()
