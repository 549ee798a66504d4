using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Everything a user could do with a volume, within bounds. Honest errors are swallowed call by call,
/// all else comes out.</summary>
internal sealed class HostileWalk(Ext4Volume volume, Random random, byte[] buffer)
{
    private const int MaxInodes = 120;
    private const int MaxEntries = 1500;

    /// <summary>Bytes that the constructor wants.</summary>
    public const int BufferSize = 128 << 10;

    private readonly byte[] _buffer = buffer;
    private readonly List<uint> _directories = [], _files = [], _others = [];
    private readonly List<(uint Directory, byte[] Name)> _names = [];

    /// <summary>Errors that were reported.</summary>
    public int Errors { get; private set; }

    /// <summary>True if an exception is one that the engine may throw.</summary>
    public static bool IsHonest(Exception e) =>
        e is Ext4Exception or Ext4NotSupportedException or Ext4CorruptException or BlockDeviceException;

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (IsHonest(e))
        {
            Errors++;
            if (e is Ext4CorruptException && !volume.IsReadOnly)
            {
                WentOn ??= $"writing goes on after: {e.Message}";
            }
        }
    }

    /// <summary>Damage that was met and did not stop the writing; null if there was none.</summary>
    public string? WentOn { get; private set; }

    private void With(uint number, Action<Inode> action) => Try(() =>
    {
        Inode inode = volume.GetInode(number);
        try
        {
            action(inode);
        }
        finally
        {
            Release(inode);
        }
    });

    private void Release(Inode inode) => Try(() => volume.Release(inode));

    /// <summary>Lists, stats and reads whatever is reached from the root, and some numbers that may not be.</summary>
    public void ReadAll()
    {
        Try(() => volume.GetStatistics());
        var queue = new Queue<uint>([Ext4Volume.RootInode]);
        var seen = new HashSet<uint> { Ext4Volume.RootInode };
        for (int i = 0; i < 6; i++)
        {
            uint number = i < 2 ? (uint)(7 + i) : (uint)random.NextInt64(volume.Geometry.InodesCount + 2L);
            if (seen.Add(number))
            {
                queue.Enqueue(number);
            }
        }
        while (queue.TryDequeue(out uint number))
        {
            With(number, inode =>
            {
                Try(() => volume.GetAttributes(inode));
                ReadExtendedAttributes(inode);
                if (inode.IsDirectory)
                {
                    _directories.Add(number);
                    ReadDirectory(inode, queue, seen);
                }
                else if (inode.IsSymlink)
                {
                    _others.Add(number);
                    Try(() => volume.ReadLink(inode, _buffer));
                }
                else if (inode.IsRegular)
                {
                    _files.Add(number);
                    ReadFile(inode);
                }
                else
                {
                    _others.Add(number);
                }
            });
        }
    }

    private void ReadDirectory(Inode inode, Queue<uint> queue, HashSet<uint> seen)
    {
        int left = MaxEntries;
        ulong position = 0;
        var names = new List<byte[]>();
        Try(() =>
        {
            // In pages, as a host asks.
            for (bool isDone = false; !isDone && left > 0;)
            {
                int page = 300;
                ulong before = position;
                volume.ReadDirectory(inode, position, (name, child, type, next) =>
                {
                    if (page-- == 0 || left-- <= 0)
                    {
                        return false;
                    }
                    position = next;
                    if (names.Count < 40 || left % 50 == 0)
                    {
                        names.Add(name.ToArray());
                    }
                    if (seen.Count < MaxInodes && seen.Add(child))
                    {
                        queue.Enqueue(child);
                    }
                    return true;
                });
                isDone = page >= 0 || position == before;
            }
        });
        foreach (byte[] name in names)
        {
            if (!name.AsSpan().SequenceEqual("lost+found"u8))
            {
                _names.Add((inode.Number, name)); // without lost+found the checker complains, and rightly
            }
            Try(() =>
            {
                if (volume.Lookup(inode, name) is { } found)
                {
                    Release(found);
                }
            });
        }
        Try(() => volume.Lookup(inode, "not there"u8));
        Try(() =>
        {
            if (volume.Lookup(inode, ".."u8) is { } parent)
            {
                Release(parent);
            }
        });
    }

    private void ReadFile(Inode inode)
    {
        Try(() => volume.Read(inode, _buffer, 0));
        Try(() => volume.Read(inode, _buffer.AsSpan(0, 5000), Math.Max(0, inode.Size - 4000)));
        Try(() => volume.Read(inode, _buffer.AsSpan(0, 3000), random.NextInt64(Math.Max(1, inode.Size))));
        long at = 0;
        for (int i = 0; i < 40; i++)
        {
            bool hole = i % 2 == 1;
            long next = -1;
            Try(() => next = volume.Seek(inode, at, hole));
            if (next < at)
            {
                break;
            }
            at = next;
        }
        Try(() => volume.Seek(inode, Math.Max(0, inode.Size - 1), hole: true));
    }

    private void ReadExtendedAttributes(Inode inode)
    {
        Try(() =>
        {
            int length = volume.ListExtendedAttributes(inode, _buffer);
            ReadOnlySpan<byte> list = _buffer.AsSpan(0, Math.Max(0, length)).ToArray();
            while (!list.IsEmpty)
            {
                int end = list.IndexOf((byte)0);
                ReadOnlySpan<byte> name = end < 0 ? list : list[..end];
                volume.GetExtendedAttribute(inode, name, []);
                volume.GetExtendedAttribute(inode, name, _buffer);
                list = end < 0 ? [] : list[(end + 1)..];
            }
        });
        Try(() => volume.GetExtendedAttribute(inode, "user.short"u8, _buffer));
        Try(() => volume.GetExtendedAttribute(inode, "system.posix_acl_default"u8, _buffer));
    }

    /// <summary>Changes this and that.</summary>
    public void Change(int steps)
    {
        _directories.Add(Ext4Volume.RootInode);
        for (int i = 0; i < steps; i++)
        {
            Step();
        }
    }

    private void Step()
    {
        uint directory = _directories[random.Next(_directories.Count)];
        (uint namedIn, byte[] name) = _names.Count == 0 ? (directory, "small"u8.ToArray()) : _names[random.Next(_names.Count)];
        uint file = _files.Count == 0 ? directory : _files[random.Next(_files.Count)];
        byte[] fresh = Encoding.ASCII.GetBytes("new" + random.Next(1000) + (random.Next(3) == 0 ? new string('n', 200) : ""));
        switch (random.Next(20))
        {
            case 0 or 1:
                With(directory, d => Keep(volume.Create(d, fresh, 0x8000 | 0x1A4, 0, Caller.Root), _files));
                break;
            case 2:
                With(directory, d => Keep(volume.CreateDirectory(d, fresh, 0x1ED, Caller.Root), _directories));
                break;
            case 3:
                With(directory, d => Keep(volume.CreateSymlink(d, fresh, _buffer.AsSpan(0, 1 + random.Next(300)).ToArray().Select(b => (byte)(b | 1)).ToArray(), Caller.Root), _others));
                break;
            case 4 or 5 or 6:
                With(file, f => volume.Write(f, _buffer.AsSpan(0, 1 + random.Next(20000)), Offset(f), Caller.Root));
                break;
            case 7 or 8:
                With(file, f => volume.SetAttributes(f, new AttributeChanges { Size = random.Next(3) == 0 ? 0 : Offset(f) }, Caller.Root));
                break;
            case 9 or 10:
                With(namedIn, d => volume.Unlink(d, name));
                break;
            case 11:
                With(namedIn, d => volume.RemoveDirectory(d, name));
                break;
            case 12 or 13:
                With(namedIn, from => With(directory, to => volume.Rename(from, name, to,
                    random.Next(2) == 0 ? fresh : _names.Count == 0 ? fresh : _names[random.Next(_names.Count)].Name,
                    random.Next(5) == 0 ? RenameFlags.Exchange : RenameFlags.None, Caller.Root)));
                break;
            case 14:
                With(file, f => With(directory, d => volume.Link(f, d, fresh)));
                break;
            case 15:
                With(random.Next(2) == 0 ? file : directory, i => volume.SetExtendedAttribute(i, Encoding.ASCII.GetBytes("user.n" + random.Next(4)),
                    _buffer.AsSpan(0, random.Next(700)), AttributeSetMode.CreateOrReplace));
                break;
            case 16:
                With(random.Next(2) == 0 ? file : directory, i => volume.RemoveExtendedAttribute(i, "user.short"u8));
                break;
            case 17:
                AllocateMode mode = random.Next(5) switch
                {
                    0 => AllocateMode.PunchHole | AllocateMode.KeepSize,
                    1 => AllocateMode.CollapseRange,
                    2 => AllocateMode.ZeroRange,
                    3 => AllocateMode.InsertRange,
                    _ => AllocateMode.Default,
                };
                long unit = random.Next(3) == 0 ? 1 : volume.Geometry.BlockSize;
                With(file, f => volume.Allocate(f, mode, Offset(f) / unit * unit, (1 + random.Next(20)) * unit, Caller.Root));
                break;
            case 18:
                With(file, f => volume.Synchronize(f, false));
                break;
            default:
                With(directory, d => volume.SetAttributes(d, new AttributeChanges { Mode = 0x1FF, Uid = 70000 }, Caller.Root));
                break;
        }
    }

    private void Keep(Inode inode, List<uint> list)
    {
        list.Add(inode.Number);
        Release(inode);
    }

    private long Offset(Inode inode) => random.Next(4) switch
    {
        0 => inode.Size,
        1 => random.NextInt64(Math.Max(1, inode.Size)),
        2 => random.Next(300_000),
        _ => random.Next(20) * (long)volume.Geometry.BlockSize,
    };
}
