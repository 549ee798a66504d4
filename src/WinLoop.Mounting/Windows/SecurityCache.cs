using System.Collections.Concurrent;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// The descriptors of a mount, built once and shared. In owner and everyone mode there is one for all files; in posix
/// mode one per owner, group and mode that occurs. Reading takes no lock and allocates nothing.
/// </summary>
/// <remarks>READONLY is not in the descriptor in owner mode: Windows checks it by itself, and a program may clear it.</remarks>
internal sealed class SecurityCache
{
    /// <summary>Bound of the entries; a volume with more combinations than that starts over.</summary>
    public const int MaxEntries = 4096;

    private readonly ConcurrentDictionary<Key, byte[]> _entries = new();
    private readonly byte[]? _only;
    private int _count;

    /// <summary>For one mount.</summary>
    public SecurityCache(WindowsOptions options)
    {
        Map = new SidMap(options);
        _only = options.Acl switch
        {
            AclMode.Posix => null,
            AclMode.Everyone => ForAll(options, toEveryone: true),
            _ => ForAll(options, toEveryone: false),
        };
    }

    /// <summary>Numbers and SIDs of the mount.</summary>
    public SidMap Map { get; }

    /// <summary>True if descriptors depend on the inode and can be set (posix mode).</summary>
    public bool IsPerFile => _only is null;

    /// <summary>The self-relative descriptor of an inode. Shared: not to be changed.</summary>
    public byte[] Get(uint uid, uint gid, ushort mode)
    {
        if (_only is not null)
        {
            return _only;
        }
        bool isDirectory = (mode & InodeMode.TypeMask) == InodeMode.Directory;

        // The bits that the descriptor depends on, so that files of other types and set-id bits share one.
        int bits = mode & 0x1FF | (isDirectory ? InodeMode.Directory | mode & InodeMode.Sticky : InodeMode.Regular);
        var key = new Key(uid, gid, (ushort)bits);
        return _entries.TryGetValue(key, out byte[]? found) ? found : Add(key);
    }

    private byte[] Add(Key key)
    {
        Span<byte> buffer = stackalloc byte[PosixSecurity.MaxDescriptor];
        byte[] descriptor = buffer[..PosixSecurity.Write(Map, key.Uid, key.Gid, key.Mode, buffer)].ToArray();
        if (!_entries.TryAdd(key, descriptor))
        {
            return _entries.TryGetValue(key, out byte[]? other) ? other : descriptor;
        }
        if (Interlocked.Increment(ref _count) > MaxEntries)
        {
            Interlocked.Exchange(ref _count, 0);
            _entries.Clear();
        }
        return descriptor;
    }

    private static byte[] ForAll(WindowsOptions options, bool toEveryone)
    {
        byte[] owner = SidMap.OwnerOf(options);
        Span<byte> buffer = stackalloc byte[PosixSecurity.MaxDescriptor];
        var writer = new SecurityDescriptorWriter(buffer, owner, SidMap.GroupOf(options));
        if (toEveryone)
        {
            writer.Allow(Sid.Everyone, AccessMask.FileAll);
        }
        else
        {
            writer.Allow(owner, AccessMask.FileAll);
            foreach (byte[] always in new[] { Sid.LocalSystem, Sid.Administrators })
            {
                if (!owner.AsSpan().SequenceEqual(always))
                {
                    writer.Allow(always, AccessMask.FileAll);
                }
            }
        }
        return buffer[..writer.Finish()].ToArray();
    }

    private readonly record struct Key(uint Uid, uint Gid, ushort Mode);
}
