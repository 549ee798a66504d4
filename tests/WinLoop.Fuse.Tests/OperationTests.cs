using WinLoop.TestKit;

namespace WinLoop.Fuse.Tests;

/// <summary>Every operation through a real mount, then the same image through the kernel.</summary>
public abstract class OperationTests
{
    private protected abstract FuseMountOptions Adapt(FuseMountOptions options);

    [Fact]
    public void Names()
    {
        using MountedImage mounted = new(options: Adapt);
        mounted.Run("""
            mkdir -p d/e/f; echo one > d/one; ln d/one d/two; ln -s one d/sym; ln -s $(printf 'x%.0s' {1..200}) d/long
            [ "$(cat d/sym)" = one ]; [ $(stat -c %h d/one) = 2 ]; [ $(readlink d/long | wc -c) = 201 ]
            mv d/one d/e/moved; [ "$(cat d/e/moved)" = one ]; [ ! -e d/one ]
            echo old > r1; echo new > r2; mv r2 r1; [ "$(cat r1)" = new ]
            mkdir m1 m2; mv m1 m2/in; mv m2/in .; [ $(stat -c %h m2) = 2 ]
            if rmdir d 2>/dev/null; then exit 1; fi
            rmdir d/e/f; rm d/two
            if mkdir d 2>/dev/null; then exit 1; fi
            if mv d d/e 2>/dev/null; then exit 1; fi
            mkfifo fifo; mknod chr c 259 70000; mknod blk b 8 17
            python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("sock")'
            [ "$(stat -c %F fifo chr blk sock | tr '\n' ,)" = "fifo,character special file,block special file,socket," ]
            [ "$(stat -c %Hr,%Lr chr)" = 259,70000 ]
            n=$(printf 'n%.0s' {1..255}); echo x > $n; [ -e $n ]
            for n in ${n}n ${n}$n; do
              for c in "touch $n" "mkdir $n" "mv r1 $n" "ln r1 $n" "ln -s r1 $n" "cat $n" "rm $n"; do
                m=$(LC_ALL=C $c 2>&1 || true); [[ $m == *'too long'* ]] || { echo "$c: $m"; exit 1; }
              done
            done
            ls -la . d > /dev/null
            """);
        Assert.Equal("one\nnew\nyes\n", mounted.VerifyWithKernel("""
            cat d/e/moved r1; [ -p fifo -a -c chr -a -b blk -a -S sock ]
            [ "$(stat -c %Hr,%Lr chr)" = 259,70000 ]; [ $(readlink d/long | wc -c) = 201 ]; [ ! -e d/e/f ] && echo yes
            """));
    }

    [Fact]
    public void Rename_flags()
    {
        using MountedImage mounted = new(options: Adapt);
        mounted.Run("""
            cat > $T/rename2.py <<'END'
            import ctypes, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            def rename2(a, b, flags):
                return 0 if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) == 0 else ctypes.get_errno()
            open("a", "w").write("A"); open("b", "w").write("B"); os.mkdir("dir"); open("dir/x", "w").write("X")
            assert rename2("a", "b", 1) == 17
            assert rename2("a", "c", 1) == 0 and open("c").read() == "A"
            assert rename2("c", "b", 2) == 0 and open("c").read() == "B" and open("b").read() == "A"
            assert rename2("b", "dir", 2) == 0 and open("dir").read() == "A" and open("b/x").read() == "X"
            assert rename2("c", "none", 2) == 2
            assert rename2("c", "w", 4) == 0 and open("w").read() == "B"
            st = os.stat("c"); assert st.st_mode & 0o170000 == 0o020000 and st.st_rdev == 0
            assert rename2("w", "dir", 3) == 22
            END
            python3 $T/rename2.py
            """);
        Assert.Equal("AXB", mounted.VerifyWithKernel("""cat dir b/x w; [ "$(stat -c %F,%Hr,%Lr c)" = "character special file,0,0" ]"""));
    }

    [Fact]
    public void Attributes()
    {
        using MountedImage mounted = new(options: Adapt);
        mounted.Run("""
            echo x > f; chmod 4751 f; [ $(stat -c %a f) = 4751 ]
            chown 1000:2000 f; [ "$(stat -c %u:%g:%a f)" = 1000:2000:751 ]
            touch -d '2300-01-02 03:04:05.678901234 UTC' f; [ "$(TZ=UTC stat -c %y f)" = '2300-01-02 03:04:05.678901234 +0000' ]
            touch -a -d @1 f; [ $(stat -c %X f) = 1 ]
            b=$(stat -c %W f); now=$(date +%s); [ $b -gt $((now - 60)) -a $b -le $now ]
            truncate -s 10000 f; [ $(stat -c %s f) = 10000 ]; truncate -s 1 f; [ "$(cat f)" = x ]
            touch imm app; chattr +i imm; chattr +a app
            lsattr imm | grep -q -- '----i'; lsattr app | grep -q -- '-----a'
            for c in 'echo x >> imm' 'echo x > imm' 'rm -f imm' 'mv imm other' 'ln imm hard' 'chmod 600 imm' 'echo x > app' 'rm -f app' 'truncate -s 0 app'; do
              if bash -c "$c" 2>/dev/null; then echo "$c"; exit 1; fi
            done
            echo more >> app; [ "$(cat app)" = more ]
            chattr -i imm; chattr -a app; rm imm; echo over > app
            umask 027; touch u1; mkdir u2; [ $(stat -c %a u1) = 640 ]; [ $(stat -c %a u2) = 750 ]
            mkdir sg; chgrp 77 sg; chmod g+s sg; touch sg/f; mkdir sg/d; [ "$(stat -c %g sg/f)" = 77 ]; [ "$(stat -c %g,%a sg/d)" = 77,2750 ]
            df . > /dev/null; [ $(stat -f -c %l .) = 255 ]
            """);
        Assert.Equal("1000:2000:751\n10413889445\n", mounted.VerifyWithKernel("""
            stat -c %u:%g:%a f; touch -r f ref; stat -c %Y f > $T/y; touch -d '2300-01-02 03:04:05.678901234 UTC' ref
            stat -c %Y ref; [ $(stat -c %g,%a sg/d) = 77,2750 ]
            """));
    }

    [Fact]
    public void Set_id_bits_are_lost_by_a_strangers_write()
    {
        using MountedImage mounted = new(options: Adapt);
        Shell.Require("setpriv");
        mounted.Run("""
            chmod 777 .
            for how in 'printf y >> f' 'truncate -s 3 f' ': > f'; do
              rm -f f; echo x > f; chown 4000:4000 f; chmod 6777 f
              setpriv --reuid=5000 --regid=5000 --clear-groups bash -c "$how"
              [ $(stat -c %a f) = 777 ] || { echo "$how: $(stat -c %a f)"; exit 1; }
            done
            echo x > g; chmod 6777 g; printf y >> g; [ $(stat -c %a g) = 6777 ]
            """);
        mounted.VerifyWithKernel("[ $(stat -c %a f) = 777 ]; [ $(stat -c %a g) = 6777 ]");
    }

    [Fact]
    public void Extended_attributes_and_acls()
    {
        using MountedImage mounted = new(mkfs: "-b 4096", options: Adapt);
        Shell.Require("setfattr", "setfacl", "setpriv");
        mounted.Run("""
            echo x > f; setfattr -n user.a -v alpha f; setfattr -n trusted.t -v tau f; setfattr -n security.s -v sigma f
            [ "$(getfattr --only-values -n user.a f)" = alpha ]; [ "$(getfattr --only-values -n trusted.t f)" = tau ]
            [ "$(getfattr -d -m - f 2>/dev/null | grep -c =)" = 3 ]
            if setpriv --reuid=5000 --regid=5000 --clear-groups getfattr -d -m - f | grep -q trusted; then exit 1; fi
            setfattr -x user.a f
            if getfattr -n user.a f 2>/dev/null; then exit 1; fi
            setfattr -n user.big -v "$(head -c 3000 /dev/zero | tr '\0' b)" f; [ $(getfattr --only-values -n user.big f | wc -c) = 3000 ]
            if setfattr -n nonsense.x -v y f 2>/dev/null; then exit 1; fi
            mkdir d; chmod 700 d; setfacl -m u:5000:rx -d -m u:5000:rwx d
            umask 077; echo in > d/file; mkdir d/sub
            getfacl -c d/file | grep -q user:5000:rwx; getfacl -c d/sub | grep -q default:user:5000:rwx
            setpriv --reuid=5000 --regid=5000 --clear-groups cat d/file
            if setpriv --reuid=6000 --regid=6000 --clear-groups cat d/file 2>/dev/null; then exit 1; fi
            setfacl -m m::--- d/file
            if setpriv --reuid=5000 --regid=5000 --clear-groups cat d/file 2>/dev/null; then exit 1; fi
            chmod 660 d/file; getfacl -c d/file | grep -q mask::rw
            setfacl -b d; if getfacl -c d | grep -q 5000; then exit 1; fi
            """);
        Assert.Equal("tau\nsigma\n", mounted.VerifyWithKernel("""
            getfattr --only-values -n trusted.t f; echo; getfattr --only-values -n security.s f; echo
            getfacl -c d/file | grep -q user:5000:rwx; getfacl -c d/file | grep -q mask::rw; getfacl -c d/sub | grep -q default:user:5000:rwx
            [ $(getfattr --only-values -n user.big f | wc -c) = 3000 ]
            """));
    }

    [Fact]
    public void Data_holes_and_allocation()
    {
        using MountedImage mounted = new(128, options: Adapt);
        Shell.Require("fallocate", "xxd");
        mounted.Run("""
            head -c 5000000 /dev/urandom > $T/data; cp $T/data f; cmp f $T/data
            dd if=$T/data of=f bs=777 skip=100 seek=3000 count=500 conv=notrunc status=none
            dd if=$T/data of=$T/data2 bs=1 count=0 status=none; cp $T/data $T/data2
            dd if=$T/data of=$T/data2 bs=777 skip=100 seek=3000 count=500 conv=notrunc status=none
            cmp f $T/data2
            truncate -s 20M sparse; printf END | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none
            [ $(stat -c %b sparse) -le 16 ]
            fallocate -l 4M pre; [ $(stat -c %s pre) = 4194304 ]; [ $(stat -c %b pre) -ge 8192 ]; cmp -n 4194304 pre /dev/zero
            fallocate -n -l 8M pre; [ $(stat -c %s pre) = 4194304 ]
            cp $T/data punched; fallocate -p -o 1000001 -l 2000000 punched
            cmp -n 1000001 punched $T/data; cmp -n 2000000 -i 1000001:0 punched /dev/zero; cmp -i 3000001 punched $T/data
            cp $T/data zeroed; fallocate -z -o 4096 -l 100000 zeroed; cmp -n 100000 -i 4096:0 zeroed /dev/zero; cmp -i 104096 zeroed $T/data
            python3 - <<'END'
            import os
            f = os.open("sparse", os.O_RDWR)
            d = os.lseek(f, 0, os.SEEK_DATA); assert 9990000 < d <= 10000000, d
            h = os.lseek(f, d, os.SEEK_HOLE); assert 10000003 <= h < 10010000, h
            try: os.lseek(f, h, os.SEEK_DATA); assert False
            except OSError as e: assert e.errno == 6
            assert os.lseek(f, 20 << 20, os.SEEK_SET) == 20 << 20 and os.read(f, 10) == b""
            o = os.open("copy", os.O_RDWR | os.O_CREAT)
            s = os.open("f", os.O_RDONLY); done = 0
            while n := os.copy_file_range(s, o, 10 << 20): done += n
            assert done == 5000000
            END
            cmp copy f
            """);
        mounted.VerifyWithKernel("""
            cmp f $T/data2; cmp copy f; [ $(stat -c %b sparse) -le 16 ]; cmp -i 3000001 punched $T/data
            cmp -n 2000000 -i 1000001:0 punched /dev/zero; cmp -n 4194304 pre /dev/zero; [ $(stat -c %s sparse) = $((20 << 20)) ]
            rm $T/data $T/data2
            """);
    }

    [Fact]
    public void Mapped_writes_and_direct_io()
    {
        using MountedImage mounted = new(options: Adapt);
        mounted.Run("""
            python3 - <<'END'
            import mmap, os
            f = os.open("map", os.O_RDWR | os.O_CREAT); os.ftruncate(f, 1 << 20)
            m = mmap.mmap(f, 1 << 20); m[5000:5005] = b"hello"; m[(1 << 20) - 3:] = b"end"; m.flush(); m.close()
            assert os.pread(f, 5, 5000) == b"hello"
            d = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
            b = mmap.mmap(-1, 65536); b[:] = b"D" * 65536
            assert os.pwritev(d, [b], 4096) == 65536
            r = mmap.mmap(-1, 65536); assert os.preadv(d, [r], 4096) == 65536 and r[:] == b[:]
            END
            """);
        mounted.VerifyWithKernel("""
            [ "$(dd if=map bs=1 skip=5000 count=5 status=none)" = hello ]; [ "$(tail -c 3 map)" = end ]
            [ $(stat -c %s direct) = 69632 ]; [ $(tail -c 65536 direct | tr -d D | wc -c) = 0 ]
            """);
    }

    [Fact]
    public void Unlinked_files_live_while_they_are_open()
    {
        using MountedImage mounted = new(options: Adapt);
        mounted.Run("""
            free=$(stat -f -c %f .); head -c 1M /dev/urandom > f; sum=$(sha1sum < f); exec 3<> f; rm f
            [ "$(sha1sum <&3)" = "$sum" ]; [ $(stat -L -c %h /proc/self/fd/3) = 0 ]
            printf x >&3; [ $(stat -L -c %s /proc/self/fd/3) = 1048577 ]; exec 3>&-
            python3 - <<'END'
            import os
            t = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600); os.write(t, b"tmp"); assert os.fstat(t).st_nlink == 0
            import ctypes; assert ctypes.CDLL(None).linkat(-100, f"/proc/self/fd/{t}".encode(), -100, b"linked", 0x400) == 0; assert open("linked").read() == "tmp"
            u = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600); os.write(u, b"never linked")
            os.mkdir("gone"); d = os.open("gone", os.O_RDONLY); os.rmdir("gone")
            try: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=d); assert False
            except FileNotFoundError: pass
            END
            sync -f .
            """);
        Assert.Equal("tmp", mounted.VerifyWithKernel("cat linked; [ $(ls -A | wc -l) = 2 ]"));
    }

    [Fact]
    public void A_full_volume_says_so_and_recovers()
    {
        using MountedImage mounted = new(24, options: Adapt);
        mounted.Run("""
            mkdir d; if dd if=/dev/zero of=big bs=64k count=1000 conv=fsync 2> $T/err; then exit 1; fi; grep -q 'No space' $T/err
            [ $(stat -f -c %a .) -lt 100 ]
            if head -c 100000 /dev/zero 2>/dev/null > d/other; then exit 1; fi
            rm big d/other; head -c 5M /dev/zero > again; [ $(stat -c %s again) = 5242880 ]
            """);
        mounted.VerifyWithKernel("[ $(stat -c %s again) = 5242880 ]; [ ! -e big ]");
    }

    [Fact]
    public void Handles_outlive_the_kernels_cache()
    {
        using MountedImage mounted = new(options: Adapt);
        Shell.Require("python3");
        mounted.Run("""
            mkdir -p a/b; echo content > a/b/f
            cat > $T/handle.py <<'END'
            import ctypes, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            class H(ctypes.Structure): _fields_ = [("n", ctypes.c_uint), ("t", ctypes.c_int), ("b", ctypes.c_ubyte * 128)]
            def get(p):
                h, m = H(128), ctypes.c_int()
                assert libc.name_to_handle_at(-100, p.encode(), ctypes.byref(h), ctypes.byref(m), 0) == 0, ctypes.get_errno()
                return h
            f, d = get("a/b/f"), get("a/b")
            os.system("sync; echo 2 > /proc/sys/vm/drop_caches")
            root = os.open(".", os.O_RDONLY)
            fd = libc.open_by_handle_at(root, ctypes.byref(f), os.O_RDONLY); assert fd >= 0, ctypes.get_errno()
            assert os.read(fd, 100) == b"content\n"; os.close(fd)
            fd = libc.open_by_handle_at(root, ctypes.byref(d), os.O_RDONLY); assert fd >= 0
            assert os.readlink(f"/proc/self/fd/{fd}").endswith("/a/b"); os.close(fd)
            os.unlink("a/b/f")
            fd = libc.open_by_handle_at(root, ctypes.byref(f), os.O_RDONLY); assert fd < 0 and ctypes.get_errno() == 116, ctypes.get_errno()
            END
            python3 $T/handle.py
            """);
        mounted.VerifyWithKernel("[ -d a/b ]");
    }

    [Fact]
    public void Large_directories_are_listed_completely_while_they_change()
    {
        using MountedImage mounted = new(128, options: Adapt);
        mounted.Run("""
            mkdir d; python3 - <<'END'
            import os
            for i in range(5000): open(f"d/file-with-some-length-{i}", "w").close()
            assert len(os.listdir("d")) == 5000
            assert sum(1 for e in os.scandir("d") if e.stat().st_size == 0) == 5000
            it, seen = os.scandir("d"), set()
            for n, e in enumerate(it):
                seen.add(e.name)
                if n % 2 == 0: os.unlink(f"d/{e.name}")
            assert len(seen) == 5000 and len(os.listdir("d")) == 2500
            END
            ls -l d | wc -l
            """);
        Assert.Equal("2500\n", mounted.VerifyWithKernel("ls d | wc -l"));
    }

    [Fact]
    public void Programs_work()
    {
        using MountedImage mounted = new(256, options: Adapt);
        Shell.Require("git", "sqlite3");
        mounted.Run("""
            export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
            git init -q repo; cd repo; for i in $(seq 200); do echo $i > f$i; done; git add .; git commit -qm one; git repack -adq; git fsck
            cd ..; git clone -q repo clone; git -C clone status --porcelain | wc -l | grep -qx 0
            for mode in delete wal; do
              sqlite3 $mode.db "pragma journal_mode=$mode; create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x, hex(randomblob(100)) from c;" > /dev/null
              sqlite3 $mode.db "update t set b = 'x' where a % 3 = 0; delete from t where a % 5 = 0; vacuum"
              [ "$(sqlite3 $mode.db 'pragma integrity_check; select count(*) from t' | tr '\n' ,)" = ok,4000, ]
            done
            cp -a repo copy; diff -r repo copy; tar cf - repo | tar xf - -C clone; diff -r repo clone/repo
            """);
        mounted.VerifyWithKernel("""
            export GIT_CONFIG_GLOBAL=/dev/null
            git -c safe.directory='*' -C clone fsck; diff -r repo copy; diff -r repo clone/repo
            [ "$(sqlite3 wal.db 'pragma integrity_check')" = ok ]
            """);
    }
}

public sealed class OperationTestsByDefault : OperationTests
{
    private protected override FuseMountOptions Adapt(FuseMountOptions options) => options;
}

public sealed class OperationTestsWithWriteback : OperationTests
{
    private protected override FuseMountOptions Adapt(FuseMountOptions options) => options with { UseWritebackCache = true };
}

public sealed class OperationTestsWithOpen : OperationTests
{
    private protected override FuseMountOptions Adapt(FuseMountOptions options) => options with { SkipOpen = false };
}
