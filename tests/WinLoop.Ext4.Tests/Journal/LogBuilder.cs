using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal.Recovery;

namespace WinLoop.Ext4.Tests.Journal;

/// <summary>A small volume with a journal and nothing else, whose log is written transaction by transaction.</summary>
internal sealed class LogBuilder
{
    public const int BlockSize = 1024;
    public const uint JournalStart = 200, JournalBlocks = 1100, VolumeBlocks = 4096;

    private readonly List<(ulong Target, byte[] Image)> _blocks = [];
    private readonly List<ulong> _revokes = [];
    private uint _crc;

    public LogBuilder(JournalCompatFeatures compat, JournalIncompatFeatures incompat, uint start = 1, uint tid = 2, byte uuid = 7)
    {
        var sb = new Superblock
        {
            RevisionLevel = 1,
            LogBlockSize = 0,
            BlocksCount = VolumeBlocks,
            FirstDataBlock = 1,
            BlocksPerGroup = 8192,
            ClustersPerGroup = 8192,
            InodesPerGroup = 1024,
            InodesCount = 1024,
            InodeSize = 256,
            FirstInode = 11,
        };
        Device = new MemoryDevice(new byte[VolumeBlocks * BlockSize]);
        Geometry = Geometry.Create(sb, Device.Length);
        Map = new JournalMap([new JournalMap.Run(0, JournalStart, 300), new JournalMap.Run(300, 2000, JournalBlocks - 300)]);
        Span<byte> id = stackalloc byte[16];
        id.Fill(uuid);
        Superblock = new JournalSuperblock(BlockSize, JournalBlocks, id)
        {
            Compat = compat,
            Incompat = incompat,
            Start = start,
            Sequence = tid,
            FastCommitBlocks = 16,
            ChecksumType = (byte)((incompat & (JournalIncompatFeatures.ChecksumV2 | JournalIncompatFeatures.ChecksumV3)) != 0 ? 4 : 0),
        };
        WriteSuperblock();
        Format = JournalFormat.Create(Superblock, BlockSize, JournalBlocks);
        Position = start;
        Tid = tid;
    }

    public MemoryDevice Device { get; }
    public Geometry Geometry { get; }
    public JournalMap Map { get; }
    public JournalSuperblock Superblock { get; }
    public JournalFormat Format { get; }
    public uint Position { get; set; }
    public uint Tid { get; set; }

    /// <summary>Log blocks of the last transaction: descriptors, images, revokes and the commit.</summary>
    public List<(JournalBlockType Type, uint Position)> Last { get; } = [];

    public void WriteSuperblock()
    {
        Superblock.UpdateChecksum();
        Superblock.Raw.CopyTo(LogBlock(0));
    }

    /// <summary>The bytes of a log block.</summary>
    public Span<byte> LogBlock(uint position) => Device.Bytes.AsSpan((int)Map[position] * BlockSize, BlockSize);

    /// <summary>The bytes of a block of the volume.</summary>
    public Span<byte> Home(ulong block) => Device.Bytes.AsSpan((int)block * BlockSize, BlockSize);

    public static byte[] Filled(int value)
    {
        byte[] block = new byte[BlockSize];
        Array.Fill(block, (byte)value);
        return block;
    }

    public LogBuilder Put(ulong target, byte[] image)
    {
        _blocks.Add((target, image));
        return this;
    }

    public LogBuilder Revoke(ulong target)
    {
        _revokes.Add(target);
        return this;
    }

    /// <summary>Writes the transaction; without a commit block if <paramref name="seconds"/> is negative.</summary>
    public void Commit(long seconds = 1000, int tagsPerBlock = int.MaxValue)
    {
        Last.Clear();
        _crc = Crc32Msb.Initial;
        foreach (ulong[] chunk in _revokes.Chunk(Format.RevokesPerBlock))
        {
            Format.WriteRevoke(Take(JournalBlockType.Revoke), Tid, chunk);
        }
        foreach ((ulong Target, byte[] Image)[] chunk in _blocks.Chunk(Math.Min(tagsPerBlock, Format.TagsPerBlock)))
        {
            WriteDescriptor(chunk);
        }
        if (seconds >= 0)
        {
            Format.WriteCommit(Take(JournalBlockType.Commit), Tid, seconds, 5, _crc);
        }
        _blocks.Clear();
        _revokes.Clear();
        Tid = unchecked(Tid + 1);
    }

    private void WriteDescriptor((ulong Target, byte[] Image)[] chunk)
    {
        Span<byte> descriptor = Take(JournalBlockType.Descriptor);
        descriptor.Clear();
        JournalBlock.WriteHeader(descriptor, JournalBlockType.Descriptor, Tid);
        int offset = JournalBlock.HeaderSize;
        var images = new List<byte[]>();
        for (int i = 0; i < chunk.Length; i++)
        {
            byte[] image = (byte[])chunk[i].Image.Clone();
            JournalTagFlags flags = (i == 0 ? 0 : JournalTagFlags.SameUuid) | (i == chunk.Length - 1 ? JournalTagFlags.LastTag : 0);
            if (JournalBlock.NeedsEscape(image))
            {
                JournalBlock.Escape(image);
                flags |= JournalTagFlags.Escape;
            }
            offset = Format.WriteTag(descriptor, offset, chunk[i].Target, flags, Format.ComputeDataTagChecksum(Tid, image));
            images.Add(image);
        }
        Format.WriteDescriptorTail(descriptor);
        _crc = Crc32Msb.Compute(_crc, descriptor);
        foreach (byte[] image in images)
        {
            image.CopyTo(Take(JournalBlockType.None));
            _crc = Crc32Msb.Compute(_crc, image);
        }
    }

    private Span<byte> Take(JournalBlockType type)
    {
        Last.Add((type, Position));
        Span<byte> block = LogBlock(Position);
        Position = Format.Next(Position);
        return block;
    }

    /// <summary>Recovers as a mount would: reads the superblock from the device.</summary>
    public JournalRecoveryResult Recover() =>
        JournalRecovery.Run(Device, Geometry, Map, JournalRecovery.ReadSuperblock(Device, Geometry, Map));
}
