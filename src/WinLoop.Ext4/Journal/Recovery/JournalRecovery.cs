using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>What recovery found and did.</summary>
internal readonly record struct JournalRecoveryResult
{
    /// <summary>True if the log was not empty: the caller reads everything it knows of the volume again.</summary>
    public bool WasNeeded { get; init; }
    /// <summary>Transactions written home.</summary>
    public int Transactions { get; init; }
    /// <summary>Blocks written home.</summary>
    public int Blocks { get; init; }
    /// <summary>Blocks whose newest image was revoked.</summary>
    public int RevokedBlocks { get; init; }
    /// <summary>The id for the next transaction.</summary>
    public uint NextTid { get; init; }
    /// <summary>The log block where the next transaction may begin.</summary>
    public uint Head { get; init; }
    /// <summary>s_errno: not 0 if the journal was aborted. The caller marks the volume as damaged
    /// (<see cref="Superblock.StateError"/>), then clears it.</summary>
    public int ErrorCode { get; init; }
}

/// <summary>
/// Brings the volume to the state of the last committed transaction. Verifies the whole log before the first
/// block is written; may be interrupted at any point and run again.
/// </summary>
internal static class JournalRecovery
{
    private const int BatchBytes = 1 << 20;

    /// <summary>Reads and copies the journal superblock.</summary>
    public static JournalSuperblock ReadSuperblock(IBlockDevice device, Geometry geometry, JournalMap map)
    {
        Span<byte> raw = stackalloc byte[JournalSuperblock.Size];
        device.Read(raw, (long)(map[0] << geometry.BlockSizeBits));
        return new JournalSuperblock(raw);
    }

    /// <summary>Renews the checksum and writes the journal superblock; not durable before the next flush.</summary>
    public static void WriteSuperblock(IBlockDevice device, Geometry geometry, JournalMap map, JournalSuperblock jsb, WriteTag tag)
    {
        jsb.UpdateChecksum();
        device.Write(jsb.Raw, (long)(map[0] << geometry.BlockSizeBits), tag);
    }

    /// <summary>Recovers.</summary>
    /// <param name="device">The volume; for a read-only mount an overlay over it.</param>
    /// <param name="geometry">From the superblock before recovery.</param>
    /// <param name="map">The journal's blocks.</param>
    /// <param name="jsb">The journal superblock; renewed in place.</param>
    /// <exception cref="Ext4CorruptException">The journal is damaged. Nothing was written.</exception>
    /// <exception cref="Ext4NotSupportedException">Unknown features, or fast commits to replay. Nothing was written.</exception>
    public static JournalRecoveryResult Run(IBlockDevice device, Geometry geometry, JournalMap map, JournalSuperblock jsb)
    {
        JournalFormat format = JournalFormat.Create(jsb, geometry.BlockSize, map.Count);
        if (jsb.Start == 0)
        {
            return new JournalRecoveryResult
            {
                NextTid = unchecked(jsb.Sequence + 1),
                Head = jsb.Head >= format.First && jsb.Head < format.End ? jsb.Head : format.First,
                ErrorCode = jsb.ErrorCode,
            };
        }

        // The log may carry an enlarged superblock and the blocks of new groups: the device is the limit.
        ulong limit = (ulong)device.Length >> geometry.BlockSizeBits;
        ulong first = geometry.FirstDataBlock;
        var reader = new JournalReader(device, geometry.BlockSizeBits, map);
        var scanner = new JournalScanner(reader, format, block => block >= first && block < limit && !map.Contains(block));
        scanner.Scan(jsb.Start, jsb.Sequence);
        if (jsb.Has(JournalIncompatFeatures.FastCommit) && FastCommitScanner.HasLiveCommits(reader, format, scanner.EndTid))
        {
            throw new Ext4NotSupportedException("fast_commit replay",
                "The journal ends in fast commits, which are not replayed here; mount the volume writable with Linux once.");
        }

        int revoked = Replay(device, geometry, reader, scanner);
        device.Flush();
        jsb.Start = 0;
        jsb.Sequence = unchecked(scanner.EndTid + 1);
        if (jsb.IsV2)
        {
            jsb.Head = scanner.Head;
        }
        WriteSuperblock(device, geometry, map, jsb, WriteTag.JournalSuperblock);
        device.Flush();
        return new JournalRecoveryResult
        {
            WasNeeded = true,
            Transactions = scanner.TransactionCount,
            Blocks = scanner.Images.Count - revoked,
            RevokedBlocks = revoked,
            NextTid = unchecked(jsb.Sequence + 1),
            Head = scanner.Head,
            ErrorCode = jsb.ErrorCode,
        };
    }

    /// <summary>
    /// Empties a log that is not to be replayed: the volume says that it needs no recovery, so whatever is in the
    /// log is older than the volume. No transaction id that can still be read in the log is used again.
    /// </summary>
    /// <param name="device">The volume.</param>
    /// <param name="geometry">The volume's.</param>
    /// <param name="map">The journal's blocks.</param>
    /// <param name="jsb">The journal superblock; renewed in place.</param>
    public static void Discard(IBlockDevice device, Geometry geometry, JournalMap map, JournalSuperblock jsb)
    {
        JournalFormat format = JournalFormat.Create(jsb, geometry.BlockSize, map.Count);
        var reader = new JournalReader(device, geometry.BlockSizeBits, map);
        uint ahead = 0;
        for (uint position = format.First; position < format.End; position++)
        {
            if (JournalBlock.TryReadHeader(reader.Read(position), out _, out uint tid) &&
                unchecked(tid - jsb.Sequence) is var distance && distance <= format.End)
            {
                ahead = Math.Max(ahead, distance);
            }
        }
        jsb.Start = 0;
        jsb.Sequence = unchecked(jsb.Sequence + ahead + 1);
        WriteSuperblock(device, geometry, map, jsb, WriteTag.JournalSuperblock);
        device.Flush();
    }

    // Writes the newest image of each block, in the order of home locations, neighbours together.
    private static int Replay(IBlockDevice device, Geometry geometry, JournalReader reader, JournalScanner scanner)
    {
        int revoked = 0;
        var targets = new List<ulong>(scanner.Images.Count);
        foreach ((ulong target, JournalScanner.LoggedBlock image) in scanner.Images)
        {
            if (scanner.IsRevoked(target, image.Tid))
            {
                revoked++;
            }
            else
            {
                targets.Add(target);
            }
        }
        targets.Sort();
        byte[] batch = new byte[Math.Max(BatchBytes, geometry.BlockSize)];
        int room = batch.Length >> geometry.BlockSizeBits;
        for (int i = 0; i < targets.Count;)
        {
            int count = 0;
            do
            {
                JournalScanner.LoggedBlock image = scanner.Images[targets[i + count]];
                Span<byte> block = batch.AsSpan(count << geometry.BlockSizeBits, geometry.BlockSize);
                reader.Read(image.Position, block);
                if (image.IsEscaped)
                {
                    JournalBlock.Unescape(block);
                }
                count++;
            }
            while (count < room && i + count < targets.Count && targets[i + count] == targets[i] + (ulong)count);
            device.Write(batch.AsSpan(0, count << geometry.BlockSizeBits), (long)(targets[i] << geometry.BlockSizeBits), WriteTag.Replay);
            i += count;
        }
        return revoked;
    }
}
