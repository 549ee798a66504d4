using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;
using static WinLoop.Ext4.Tests.Journal.LogBuilder;

namespace WinLoop.Ext4.Tests.Journal;

/// <summary>Recovery of logs that the test writes itself: semantics of revokes, ends, damage.</summary>
public class RecoveryTests
{
    /// <summary>Compat and incompat features of every kind of log.</summary>
    public static TheoryData<uint, uint> Formats => new()
    {
        { 0, 0 }, { 0, 2 }, { 1, 0 }, { 1, 2 }, { 0, 8 }, { 0, 10 }, { 0, 16 }, { 0, 18 },
        { 0, 18 | 0x20 }, { 1, 2 | 4 }, { 0, 18 | 4 },
    };

    private static LogBuilder Make(uint compat, uint incompat, uint start = 1, uint tid = 2) =>
        new((JournalCompatFeatures)compat, (JournalIncompatFeatures)incompat, start, tid);

    [Theory]
    [MemberData(nameof(Formats))]
    public void RandomLogsAreReplayedAsAModelSays(uint compat, uint incompat)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 20; round++)
        {
            uint firstTid = random.Next(3) == 0 ? 0xFFFFFFFA : (uint)random.Next(1, 1 << 20);
            LogBuilder log = Make(compat, incompat, (uint)random.Next(1, 1083), firstTid);
            var expected = new Dictionary<ulong, byte[]>();
            var revoked = new Dictionary<ulong, int>();
            var images = new List<(int Transaction, ulong Target, byte[] Image)>();
            int transactions = random.Next(1, 25);
            int used = 0;
            int committed = 0;
            for (int t = 0; t < transactions; t++)
            {
                // A block appears once in a transaction.
                ulong[] targets = [.. Enumerable.Range(0, random.Next(0, 60)).Select(_ => (ulong)random.Next(1500, 1560)).Distinct()];
                int blocks = targets.Length + 12;
                if (used + blocks > 1080)
                {
                    break;
                }
                used += blocks;
                foreach (ulong target in targets)
                {
                    byte[] image = new byte[BlockSize];
                    random.NextBytes(image);
                    if (random.Next(4) == 0)
                    {
                        JournalBlock.Unescape(image);
                    }
                    log.Put(target, image);
                    images.Add((t, target, image));
                }
                for (int i = random.Next(0, 6); i > 0; i--)
                {
                    ulong target = (ulong)random.Next(1500, 1560);
                    log.Revoke(target);
                    revoked[target] = t;
                }
                committed++;
                log.Commit(1000 + t, random.Next(20, 70));
            }
            // An interrupted transaction with blocks and revokes that must not count.
            log.Put(1500, Filled(1)).Revoke(1501).Commit(-1);
            log.Tid--;
            foreach ((int transaction, ulong target, byte[] image) in images)
            {
                if (!revoked.TryGetValue(target, out int in_) || in_ < transaction)
                {
                    expected[target] = image;
                }
            }

            JournalRecoveryResult result = log.Recover();
            Assert.Equal(committed, result.Transactions);
            Assert.Equal(expected.Count, result.Blocks);
            Assert.Equal(unchecked(log.Tid + 2), result.NextTid);
            for (ulong block = 1500; block < 1560; block++)
            {
                byte[] want = expected.TryGetValue(block, out byte[]? image) ? image : new byte[BlockSize];
                Assert.True(log.Home(block).SequenceEqual(want), $"block {block}, round {round}");
            }
            JournalSuperblock after = JournalRecovery.ReadSuperblock(log.Device, log.Geometry, log.Map);
            Assert.Equal(0u, after.Start);
            Assert.Equal(unchecked(log.Tid + 1), after.Sequence);
            Assert.False(log.Recover().WasNeeded);
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void APowerCutInRecoveryIsRepairedByTheNext(uint compat, uint incompat)
    {
        byte[]? reference = null;
        for (int cut = 0; ; cut++)
        {
            LogBuilder log = Make(compat, incompat, start: 1070);
            for (int t = 0; t < 6; t++)
            {
                for (ulong b = 0; b < 7; b++)
                {
                    log.Put(1500 + (b * 20) + (ulong)t, Filled(t + 1));
                }
                log.Revoke(1501 + (ulong)t).Commit(1000);
            }
            log.Device.WritesLeft = cut;
            bool wasCut = false;
            try
            {
                log.Recover();
            }
            catch (BlockDeviceException)
            {
                wasCut = true;
                log.Device.WritesLeft = int.MaxValue;
                log.Recover();
            }
            reference ??= log.Device.Bytes;
            Assert.True(reference.AsSpan().SequenceEqual(log.Device.Bytes));
            if (!wasCut)
            {
                Assert.True(cut > 3);
                break;
            }
        }
    }

    private static LogBuilder ThreeTransactions(uint compat = 0, uint incompat = 18, long lastSeconds = 1002)
    {
        LogBuilder log = Make(compat, incompat);
        log.Put(1500, Filled(1)).Commit(1000);
        log.Put(1501, Filled(2)).Put(1502, Filled(2)).Revoke(1600).Commit(1001);
        log.Put(1503, Filled(3)).Commit(lastSeconds);
        return log;
    }

    // The log of ThreeTransactions: 1 D, 2 data, 3 C; 4 R, 5 D, 6, 7 data, 8 C; 9 D, 10 data, 11 C.
    private static void AssertRefused(LogBuilder log)
    {
        byte[] before = (byte[])log.Device.Bytes.Clone();
        Assert.Throws<Ext4CorruptException>(() => log.Recover());
        Assert.True(before.AsSpan().SequenceEqual(log.Device.Bytes), "something was written");
    }

    [Theory]
    [InlineData(0, 0u)]
    [InlineData(0, 18u)]
    [InlineData(4, 0u)]         // block type
    [InlineData(8, 18u)]        // transaction id
    [InlineData(0x20, 18u)]     // checksum of the header
    public void ADamagedLastCommitBlockIsTheEnd(int at, uint incompat)
    {
        LogBuilder log = ThreeTransactions(incompat: incompat);
        log.LogBlock(11)[at] ^= 0x40;
        Assert.Equal(2, log.Recover().Transactions);
        Assert.Equal(2, log.Home(1502)[5]);
        Assert.Equal(0, log.Home(1503)[5]);
    }

    [Theory]
    [InlineData(3u, 0)]         // magic of a commit
    [InlineData(3u, 4)]         // its type
    [InlineData(3u, 11)]        // its transaction id
    [InlineData(8u, 0x20)]      // its checksum
    [InlineData(5u, 0)]         // magic of a descriptor
    [InlineData(5u, 300)]       // its checksum
    [InlineData(5u, 15)]        // its first tag
    [InlineData(4u, 500)]       // a revoke block's checksum
    [InlineData(4u, 12)]        // its count
    [InlineData(6u, 77)]        // data
    [InlineData(9u, 300)]       // the last transaction's descriptor, under a valid commit block
    [InlineData(10u, 0)]        // its data
    public void DamageBeforeAValidCommitIsRefused(uint position, int at)
    {
        foreach (uint incompat in (uint[])[8, 10, 16, 18])
        {
            LogBuilder log = ThreeTransactions(incompat: incompat);
            log.LogBlock(position)[at] ^= 0x11;
            AssertRefused(log);
        }
    }

    [Theory]
    [InlineData(6u, 77)]
    [InlineData(9u, 300)]
    [InlineData(10u, 100)]
    [InlineData(2u, 100)]
    public void V1DamageUnderAValidCommitIsRefused(uint position, int at)
    {
        LogBuilder log = ThreeTransactions(compat: 1, incompat: 2);
        log.LogBlock(position)[at] ^= 0x11;
        AssertRefused(log);
    }

    [Theory]
    [InlineData(1u, 2u | 4u)]
    [InlineData(0u, 18u | 4u)]
    public void WithAsynchronousCommitsOnlyALaterCommitProvesDamage(uint compat, uint incompat)
    {
        LogBuilder log = ThreeTransactions(compat, incompat);
        log.LogBlock(10)[100] ^= 1;
        Assert.Equal(2, log.Recover().Transactions);
        log = ThreeTransactions(compat, incompat);
        log.LogBlock(6)[100] ^= 1;
        AssertRefused(log);
    }

    [Fact]
    public void ACommitOlderThanTheLastGoodOneIsStale()
    {
        // Bad data under a commit block with an older time: left by an earlier lap.
        LogBuilder log = ThreeTransactions(lastSeconds: 900);
        log.LogBlock(10)[100] ^= 1;
        Assert.Equal(2, log.Recover().Transactions);
        // A clock that went back is no damage by itself.
        Assert.Equal(3, ThreeTransactions(lastSeconds: 900).Recover().Transactions);
    }

    [Theory]
    [InlineData(0ul)]           // before the first block
    [InlineData(4096ul)]        // behind the device
    [InlineData(0xFFFFFFFFul)]
    [InlineData(0x1_0000_0500ul)]
    [InlineData(200ul)]         // the journal's superblock
    [InlineData(499ul)]
    [InlineData(2000ul)]        // the journal's second run
    [InlineData(2799ul)]
    public void TargetsOutsideTheVolumeOrInsideTheJournalAreRefused(ulong target)
    {
        foreach (uint incompat in (uint[])[2, 18])
        {
            LogBuilder log = Make(0, incompat);
            log.Put(1500, Filled(1)).Commit();
            log.Put(target, Filled(2)).Commit();
            AssertRefused(log);
        }
    }

    [Fact]
    public void AnImpossibleRevokeCountIsRefused()
    {
        LogBuilder log = Make(0, 0);
        log.Put(1500, Filled(1)).Revoke(5).Commit();
        log.LogBlock(1)[12] = 0xFF;
        AssertRefused(log);
    }

    [Fact]
    public void ATransactionOfOnlyACommitBlockCounts()
    {
        LogBuilder log = Make(0, 18);
        log.Commit();
        log.Put(1500, Filled(1)).Commit();
        Assert.Equal(2, log.Recover().Transactions);
    }

    [Fact]
    public void ALogThatIsFullToItsStartEndsThere()
    {
        LogBuilder log = Make(0, 2, start: 500);
        uint capacity = log.Format.End - log.Format.First;
        for (uint i = 0; i < capacity; i++)
        {
            log.Commit(1000);
        }
        Assert.Equal((int)capacity, log.Recover().Transactions);
    }

    [Fact]
    public void AnAbortedJournalTellsItsError()
    {
        LogBuilder log = ThreeTransactions();
        log.Superblock.ErrorCode = -5;
        log.WriteSuperblock();
        Assert.Equal(-5, log.Recover().ErrorCode);
        Assert.Equal(-5, log.Recover().ErrorCode);
    }

    [Fact]
    public void ADiscardedLogIsNeverReplayedAndItsIdsNeverUsedAgain()
    {
        foreach (uint tid in new[] { 2u, 0xFFFFFFFE })
        {
            LogBuilder log = Make(0, 18, start: 1080, tid);
            log.Put(1500, Filled(1)).Commit();
            log.Put(1501, Filled(1)).Commit();
            log.Put(1502, Filled(1)).Commit();
            JournalRecovery.Discard(log.Device, log.Geometry, log.Map, JournalRecovery.ReadSuperblock(log.Device, log.Geometry, log.Map));
            JournalRecoveryResult result = log.Recover();
            Assert.False(result.WasNeeded);
            Assert.True(Ext4.Journal.Transaction.IsAfter(result.NextTid, unchecked(tid + 2)));
            Assert.Equal(0, log.Home(1500)[0]);
        }
    }

    [Fact]
    public void StaleFastCommitsAreNoObstacleAndLiveOnesAre()
    {
        const uint feature = 18 | 0x20;
        foreach ((uint tid, bool isLive, bool isWhole) in new[] { (5u, true, true), (4u, false, true), (5u, false, false) })
        {
            LogBuilder log = ThreeTransactions(incompat: feature);
            Span<byte> block = log.LogBlock(log.Format.End + 1);
            block.Clear();
            block[0] = 9;
            block[2] = 8;
            block[8] = (byte)tid;
            block[12] = 8;
            System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(block[14..], (ushort)(BlockSize - 16));
            block[16] = (byte)tid;
            uint crc = Crc32C.Compute(0, block[..20]);
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(block[20..], isWhole ? crc : ~crc);
            if (isLive)
            {
                Assert.Equal("fast_commit replay", Assert.Throws<Ext4NotSupportedException>(() => log.Recover()).Feature);
            }
            else
            {
                Assert.Equal(3, log.Recover().Transactions);
            }
        }
    }

    [Fact]
    public void MutatedLogsGiveDamageOrAStateAndEnd()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var time = System.Diagnostics.Stopwatch.StartNew();
        for (int round = 0; round < 1500 && time.Elapsed.TotalSeconds < 20; round++)
        {
            (uint compat, uint incompat) = new (uint, uint)[] { (0, 0), (0, 2), (1, 2), (0, 10), (0, 18), (0, 50), (1, 6) }[random.Next(7)];
            LogBuilder log = Make(compat, incompat, start: (uint)random.Next(1, 1084));
            for (int t = 0; t < 5; t++)
            {
                for (int b = random.Next(0, 10); b > 0; b--)
                {
                    log.Put((ulong)random.Next(1500, 1600), Filled(t));
                }
                log.Revoke(1550).Commit();
            }
            for (int m = random.Next(1, 6); m > 0; m--)
            {
                uint position = random.Next(5) == 0 ? 0 : (uint)random.Next(1, (int)JournalBlocks);
                if (position != 0)
                {
                    position = log.Superblock.Start;
                    for (int skip = random.Next(0, 30); skip > 0; skip--)
                    {
                        position = log.Format.Next(position);
                    }
                }
                Span<byte> block = log.LogBlock(position);
                int at = random.Next(3) == 0 ? random.Next(BlockSize - 4) : random.Next(0, 24) * 4;
                uint value = random.Next(4) switch { 0 => 0, 1 => uint.MaxValue, 2 => (uint)random.Next(2000), _ => (uint)random.NextInt64(1L << 32) };
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(block[at..], value);
                if (random.Next(2) == 0)
                {
                    // Checksums made right again, so that the mutation is looked at.
                    if (position == 0)
                    {
                        var jsb = new JournalSuperblock(block);
                        jsb.UpdateChecksum();
                        jsb.Raw.CopyTo(block);
                    }
                    else
                    {
                        log.Format.WriteDescriptorTail(block);
                    }
                }
            }
            byte[] journalFree = (byte[])log.Device.Bytes.Clone();
            try
            {
                log.Recover();
            }
            catch (Exception e) when (e is Ext4CorruptException or Ext4NotSupportedException)
            {
                Assert.True(journalFree.AsSpan().SequenceEqual(log.Device.Bytes));
            }
        }
    }
}
