using System.Text;
using WinLoop.Ext4.Tests.Hostile;

namespace WinLoop.Ext4.Tests.Faults;

/// <summary>A little of everything on a device that may fail at any step, and what was promised meanwhile.</summary>
internal sealed class FaultWorkload(Ext4Volume volume)
{
    private readonly Dictionary<string, byte[]?> _now = [], _promised = [];
    private readonly HashSet<string> _unsure = [];

    /// <summary>Errors that were reported.</summary>
    public int Errors { get; private set; }

    /// <summary>fsyncs that succeeded after the first one had failed for good.</summary>
    public int FalseSyncs { get; private set; }

    /// <summary>Content of each file that has to be there; null = must be gone.</summary>
    public IReadOnlyDictionary<string, byte[]?> Promised => _promised;

    public void Run()
    {
        Try(["d"], root => volume.Release(volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root)), null);
        for (int i = 0; i < 4; i++)
        {
            WriteFile($"f{i}", 1500 * (i + 1), sync: true);
        }
        Rename("f0", "g0");
        Rename("f1", "f2");
        Synchronize();
        Unlink("f3");
        WriteFile("later", 40_000, sync: false);
        Synchronize();
        Try([], root => volume.SetExtendedAttribute(root, "user.x"u8, new byte[600], AttributeSetMode.CreateOrReplace), null);
        for (int i = 0; i < 3; i++)
        {
            WriteFile($"h{i}", 3000, sync: i == 1);
        }
        Unlink("h0");
        Truncate("later", 5000);
        Synchronize();
        WriteFile("last", 2000, sync: true);
    }

    private void WriteFile(string name, int length, bool sync)
    {
        byte[] content = new byte[length];
        new Random(length + name[0]).NextBytes(content);
        Inode? file = null;
        Try([name], root =>
        {
            file = volume.Create(root, Encoding.ASCII.GetBytes(name), 0x81A4, 0, Caller.Root);
            for (int at = 0; at < length; at += 7000)
            {
                volume.Write(file, content.AsSpan(at, Math.Min(7000, length - at)), at, Caller.Root);
            }
        }, () => _now[name] = content);
        if (file is null)
        {
            return;
        }
        if (sync && !_unsure.Contains(name))
        {
            bool wasAborted = volume.Journal.AbortReason is not null;
            Try([], _ =>
            {
                volume.Synchronize(file, false);
                FalseSyncs += wasAborted ? 1 : 0;
                _promised[name] = content;
            }, null);
        }
        Try([], _ => volume.Release(file), null);
    }

    private void Rename(string from, string to) => Try([from, to], root =>
        volume.Rename(root, Encoding.ASCII.GetBytes(from), root, Encoding.ASCII.GetBytes(to), RenameFlags.None, Caller.Root), () =>
        {
            if (_unsure.Contains(from))
            {
                _unsure.Add(to);
            }
            _now[to] = _now.GetValueOrDefault(from);
            _now[from] = null;
        });

    private void Unlink(string name) => Try([name], root => volume.Unlink(root, Encoding.ASCII.GetBytes(name)), () => _now[name] = null);

    private void Truncate(string name, int length) => Try([name], root =>
    {
        if (volume.Lookup(root, Encoding.ASCII.GetBytes(name)) is { } file)
        {
            try
            {
                volume.SetAttributes(file, new AttributeChanges { Size = length }, Caller.Root);
            }
            finally
            {
                volume.Release(file);
            }
        }
    }, () => _now[name] = _now.GetValueOrDefault(name)?[..length]);

    private void Synchronize()
    {
        bool wasAborted = volume.Journal.AbortReason is not null;
        Try([], _ =>
        {
            volume.Synchronize();
            FalseSyncs += wasAborted ? 1 : 0;
            foreach ((string name, byte[]? content) in _now.Where(f => !_unsure.Contains(f.Key)))
            {
                _promised[name] = content;
            }
        }, null);
    }

    // What a step touches is not promised any more until the next sync.
    private void Try(string[] names, Action<Inode> action, Action? done)
    {
        foreach (string name in names)
        {
            _promised.Remove(name);
        }
        try
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            try
            {
                action(root);
            }
            finally
            {
                volume.Release(root);
            }
            done?.Invoke();
        }
        catch (Exception e) when (HostileWalk.IsHonest(e))
        {
            Errors++;
            _unsure.UnionWith(names);
        }
    }

    /// <summary>What a volume has under a name; null = nothing.</summary>
    public static byte[]? ContentOf(Ext4Volume volume, string name)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode? file = volume.Lookup(root, Encoding.ASCII.GetBytes(name));
        volume.Release(root);
        if (file is null)
        {
            return null;
        }
        byte[] content = new byte[file.Size];
        Assert.Equal(content.Length, volume.Read(file, content, 0));
        volume.Release(file);
        return content;
    }
}
