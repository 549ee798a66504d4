namespace WinLoop.Cli.Tests;

/// <summary>
/// Another user than root, through fusermount3: in a mount namespace of its own, where /dev/fuse is open to
/// everybody.
/// </summary>
[Collection(MountNamespaces.Name)]
public sealed class UnprivilegedTests : IDisposable
{
    private readonly Workspace _work = new();

    public UnprivilegedTests()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("setpriv", "unshare", "fusermount3");
        Shell.Script($"""
            cp -r '{Path.GetDirectoryName(WinLoopProgram.Path)}' {_work["bin"]}
            mkdir {_work["d"]} {_work["run"]}
            mknod {_work["fuse"]} c 10 229
            chmod 666 {_work["fuse"]}
            chown -R 65534:65534 {_work.Folder}
            chmod -R a+rX {_work.Folder}
            """);
    }

    public void Dispose() => _work.Dispose();

    // W is winloop and U anything else as the user; the current directory is the workspace.
    private string AsUser(string script) => Shell.Script($"""
        cat > {_work["script"]} <<'END'
        set -euo pipefail
        mount --bind {_work["fuse"]} /dev/fuse
        cd {_work.Folder}
        U() {'{'} setpriv --reuid=65534 --regid=65534 --clear-groups env HOME={_work.Folder} XDG_RUNTIME_DIR={_work["run"]} "$@"; {'}'}
        W() {'{'} U {_work["bin"]}/{Path.GetFileName(WinLoopProgram.Path)} "$@"; {'}'}
        {script}
        END
        unshare -m bash {_work["script"]}
        """);

    [Fact]
    public void A_user_mounts_an_image_of_his_own()
    {
        AsUser("""
            W create x.ext4 32M
            test "$(W mount x.ext4 d)" = "$PWD/d"
            grep "$PWD/d fuse.ext4 rw,nosuid,nodev" /proc/mounts
            U bash -c 'echo content > d/file; test "$(stat -c %u d/file)" = 65534'
            W list | grep "$PWD/d"
            W stat d | grep create
            W unmount d
            d=$(W mount x.ext4)
            test "$d" = "$PWD/run/winloop/mnt/x"
            U grep content $d/file
            W unmount x.ext4
            test ! -e $d
            """);
        Workspace.AssertClean(_work["x.ext4"]);
    }

    [Fact]
    public void Nosuid_and_nodev_hold_whatever_is_asked()
    {
        AsUser("""
            W create x.ext4 32M
            W mount x.ext4 d -o suid,dev
            grep "$PWD/d fuse.ext4 rw,nosuid,nodev" /proc/mounts
            W unmount d
            """);
    }

    [Fact]
    public void Roots_mount_is_not_a_users_to_undo()
    {
        string directory = _work.Mount(_work.MakeImage("root.ext4"));
        AsUser("""
            (W unmount d 2>&1 || true) | grep "cannot unmount d: it is another user's mount"
            W unmount d && exit 1 || test $? = 7
            W unmount --all
            """);
        Assert.True(Workspace.IsMounted(directory));
        WinLoopProgram.Succeed("unmount", directory);
    }

    [Fact]
    public void What_a_user_may_not_do_ends_with_7()
    {
        AsUser("""
            expect() { local code=$1; shift; "$@" && got=0 || got=$?; test $got = $code || { echo "$* ended with $got, not $code" >&2; exit 1; }; }
            W create x.ext4 32M
            mkdir root; chmod 777 root
            expect 7 W mount x.ext4 root
            grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null || expect 7 W mount x.ext4 d -o allow_other
            chown 0:0 fuse; chmod 600 fuse
            expect 7 W mount x.ext4 d
            chmod 666 fuse
            chown 0:0 x.ext4
            chmod 600 x.ext4
            expect 7 W mount x.ext4 d
            chmod 644 x.ext4
            W mount x.ext4 d 2>&1 | grep read-only
            W unmount d
            """);
    }
}
