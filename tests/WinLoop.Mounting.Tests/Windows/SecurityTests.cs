using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class SecurityTests
{
    private static readonly WindowsOptions s_posix = new() { Acl = AclMode.Posix };
    private static readonly byte[] s_user = Sid.Create(5, 21, 1, 2, 3, 1001), s_group = Sid.Create(5, 21, 1, 2, 3, 513);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_mode_gives_each_class_exactly_its_bits(bool isDirectory)
    {
        var cache = new SecurityCache(s_posix);
        byte[] owner = SidOf(cache, 5000, false), group = SidOf(cache, 6000, true), everyone = Sid.Everyone;
        for (int mode = 0; mode < 0x200; mode++)
        {
            byte[] descriptor = cache.Get(5000, 6000, (ushort)(mode | (isDirectory ? 0x4000 : 0x8000)));
            uint asOwner = AccessCheck(descriptor, owner, everyone);
            Assert.Equal(mode >> 6, Bits(asOwner));
            Assert.Equal(mode >> 6, Bits(AccessCheck(descriptor, owner, group, everyone)));
            Assert.Equal(mode >> 3 & 7, Bits(AccessCheck(descriptor, group, everyone)));
            Assert.Equal(mode & 7, Bits(AccessCheck(descriptor, everyone)));

            // Write permission is enough for GENERIC_WRITE, read for GENERIC_READ; status is for all; chmod for the owner.
            foreach ((int bits, uint granted) in new[] { (mode >> 6, asOwner), (mode >> 3, AccessCheck(descriptor, group, everyone)), (mode, AccessCheck(descriptor, everyone)) })
            {
                Assert.Equal((bits & 4) != 0, (granted & AccessMask.FileGenericRead) == AccessMask.FileGenericRead);
                Assert.Equal((bits & 2) != 0, (granted & AccessMask.FileGenericWrite) == AccessMask.FileGenericWrite);
                Assert.Equal((bits & 1) != 0, (granted & AccessMask.FileGenericExecute) == AccessMask.FileGenericExecute);
                Assert.Equal(isDirectory && (bits & 2) != 0, (granted & AccessMask.DeleteChild) != 0);
                Assert.Equal(0x120088u, granted & 0x120088u);
                Assert.Equal(granted == asOwner && bits == mode >> 6, (granted & AccessMask.WriteDac) != 0);
            }

            // And back.
            uint uid = 1, gid = 2;
            ushort read = (ushort)(0x8A00 | ~mode & 0x1FF);
            Assert.Equal(NtStatus.Success, PosixSecurity.Read(cache.Map, descriptor, 7, ref uid, ref gid, ref read));
            Assert.Equal((5000u, 6000u, 0x8A00 | mode), (uid, gid, read));
        }
    }

    [Fact]
    public void More_owners_than_the_cache_holds_get_their_own_descriptors()
    {
        var cache = new SecurityCache(s_posix);
        byte[] first = cache.Get(1000, 2000, 0x81A4);
        for (uint i = 0; i < (2 * SecurityCache.MaxEntries) + 10; i++)
        {
            byte[] descriptor = cache.Get(1000 + i, 2000, 0x81A4);
            uint uid = 0, gid = 0;
            ushort mode = 0x8000;
            Assert.Equal(NtStatus.Success, PosixSecurity.Read(cache.Map, descriptor, 7, ref uid, ref gid, ref mode));
            Assert.Equal((1000 + i, 2000u, 0x81A4), (uid, gid, mode));
        }
        Assert.NotSame(first, cache.Get(1000, 2000, 0x81A4));
        Assert.Equal(first, cache.Get(1000, 2000, 0x81A4));
    }

    [Fact]
    public void One_sid_for_owner_and_group_is_the_owner()
    {
        var cache = new SecurityCache(s_posix);
        byte[] both = SidOf(cache, 544, false);
        for (int mode = 0; mode < 0x200; mode++)
        {
            byte[] descriptor = cache.Get(544, 544, (ushort)(mode | 0x8000));
            Assert.Equal(mode >> 6, Bits(AccessCheck(descriptor, both, Sid.Everyone)));
            Assert.Equal(mode & 7, Bits(AccessCheck(descriptor, Sid.Everyone)));
        }
    }

    [Fact]
    public void In_a_sticky_directory_only_its_owner_deletes()
    {
        var cache = new SecurityCache(s_posix);
        byte[] owner = SidOf(cache, 5000, false), group = SidOf(cache, 6000, true);
        byte[] descriptor = cache.Get(5000, 6000, 0x43FF);
        Assert.NotEqual(0u, AccessCheck(descriptor, owner, Sid.Everyone) & AccessMask.DeleteChild);
        Assert.Equal(0u, AccessCheck(descriptor, group, Sid.Everyone) & AccessMask.DeleteChild);
        Assert.Equal(7, Bits(AccessCheck(descriptor, Sid.Everyone)));
    }

    [Fact]
    public void In_owner_mode_the_user_system_and_administrators_have_all_and_others_nothing()
    {
        var cache = new SecurityCache(new WindowsOptions { OwnerSid = s_user, GroupSid = s_group });
        byte[] descriptor = cache.Get(0, 0, 0x8000);
        Assert.Same(descriptor, cache.Get(1000, 1000, 0x41FF));
        Assert.False(cache.IsPerFile);
        Assert.True(SecurityDescriptorReader.TryParse(descriptor, out SecurityDescriptorReader reader));
        Assert.Equal(s_user, reader.Owner);
        Assert.Equal(s_group, reader.Group);
        foreach (byte[] sid in new[] { s_user, Sid.LocalSystem, Sid.Administrators })
        {
            Assert.Equal(AccessMask.FileAll, AccessCheck(descriptor, sid, Sid.Everyone));
        }
        Assert.Equal(0u, AccessCheck(descriptor, s_group, Sid.Everyone, Sid.Users, Sid.AuthenticatedUsers));
        Assert.Equal(0x9004, BitConverter.ToUInt16(descriptor, 2));
    }

    [Fact]
    public void Without_a_user_administrators_own_everything()
    {
        byte[] descriptor = new SecurityCache(new WindowsOptions()).Get(0, 0, 0x8000);

        // O:BAG:BAD:P(A;;FA;;;BA)(A;;FA;;;SY)
        Assert.Equal("010004901400000024000000000000003400000001020000000000052000000020020000010200000000000520000000200200000200340002000000"
            + "00001800FF011F000102000000000005200000002002000000001400FF011F00010100000000000512000000", Convert.ToHexString(descriptor));
        byte[] invalid = new SecurityCache(new WindowsOptions { OwnerSid = [1, 2, 3] }).Get(0, 0, 0x8000);
        Assert.Equal(descriptor, invalid);
    }

    [Fact]
    public void In_everyone_mode_everyone_has_all()
    {
        byte[] descriptor = new SecurityCache(new WindowsOptions { Acl = AclMode.Everyone, OwnerSid = s_user }).Get(0, 0, 0x8000);
        Assert.Equal(AccessMask.FileAll, AccessCheck(descriptor, Sid.Everyone));
        Assert.True(SecurityDescriptorReader.TryParse(descriptor, out SecurityDescriptorReader reader));
        Assert.Equal(s_user, reader.Owner);
        Assert.Equal(s_user, reader.Group);
    }

    [Fact]
    public void Descriptors_are_shared_and_their_number_is_bounded()
    {
        var cache = new SecurityCache(s_posix);
        Assert.Same(cache.Get(1, 1, 0x81A4), cache.Get(1, 1, 0x89A4));
        Assert.NotSame(cache.Get(1, 1, 0x81A4), cache.Get(1, 1, 0x81A5));
        Assert.Equal(PosixSecurity.MaxDescriptor, new byte[PosixSecurity.MaxDescriptor].Length);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            cache.Get(1, 1, 0x81A4);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        byte[] first = cache.Get(1, 1, 0x81A4);
        for (uint uid = 0; uid < 3 * SecurityCache.MaxEntries; uid++)
        {
            cache.Get(uid, 1, 0x81A4);
        }
        Assert.NotSame(first, cache.Get(1, 1, 0x81A4));
        Assert.Equal(first, cache.Get(1, 1, 0x81A4));
    }

    [Fact]
    public void What_windows_tools_set_becomes_a_mode()
    {
        var map = new SidMap(s_posix with { OwnerSid = s_user, GroupSid = s_group, Uid = 1000, Gid = 100 });

        // As a new file in a user's folder has it: user, SYSTEM, Administrators full; Users read and execute.
        Assert.Equal((NtStatus.Success, 0x81ED), Set(map, w =>
        {
            w.Allow(s_user, AccessMask.GenericAll);
            w.Allow(Sid.LocalSystem, AccessMask.FileAll);
            w.Allow(Sid.Users, AccessMask.FileGenericRead | AccessMask.FileGenericExecute);
            return w.Finish();
        }));
        Assert.Equal((NtStatus.Success, 0x8180), Set(map, w =>
        {
            w.Deny(s_user, AccessMask.Execute);
            w.Allow(s_user, AccessMask.FileAll);
            return w.Finish();
        }));
        Assert.Equal((NtStatus.Success, 0x8000), Set(map, w => w.Finish()));
        Assert.Equal((NtStatus.Success, 0x8120), Set(map, w =>
        {
            w.Allow(Sid.OwnerRights, AccessMask.GenericRead);
            w.Allow(s_group, AccessMask.ReadData);
            return w.Finish();
        }));
    }

    [Fact]
    public void A_missing_dacl_grants_everything_and_other_parts_do_not_count()
    {
        var map = new SidMap(s_posix);
        byte[] none = new byte[20];
        none[0] = 1;
        none[3] = 0x80;
        uint uid = 1, gid = 2;
        ushort mode = 0x8000;
        Assert.Equal(NtStatus.Success, PosixSecurity.Read(map, none, PosixSecurity.DaclInformation, ref uid, ref gid, ref mode));
        Assert.Equal((1u, 2u, 0x81FF), (uid, gid, mode));
        Assert.Equal(NtStatus.InvalidSecurityDescriptor, PosixSecurity.Read(map, none, PosixSecurity.OwnerInformation, ref uid, ref gid, ref mode));
        byte[] foreign = new SecurityCache(new WindowsOptions { OwnerSid = s_user }).Get(0, 0, 0);
        Assert.Equal(NtStatus.InvalidOwner, PosixSecurity.Read(map, foreign, PosixSecurity.OwnerInformation | PosixSecurity.DaclInformation, ref uid, ref gid, ref mode));
        Assert.Equal((1u, 2u, 0x81FF), (uid, gid, mode));
        Assert.Equal(NtStatus.Success, PosixSecurity.Read(map, foreign, 0x8, ref uid, ref gid, ref mode));
        Assert.Equal((1u, 2u, 0x81FF), (uid, gid, mode));
    }

    [Fact]
    public void Hostile_descriptors_do_no_harm()
    {
        Random random = Seeded.Random();
        var cache = new SecurityCache(s_posix);
        int accepted = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] bytes = (byte[])cache.Get(5000, 6000, (ushort)(0x8000 | i & 0x1FF)).Clone();
            if (i % 4 == 0)
            {
                random.NextBytes(bytes);
            }
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }
            Array.Resize(ref bytes, i % 3 == 0 ? random.Next(bytes.Length + 1) : bytes.Length);
            uint uid = 1, gid = 2;
            ushort mode = 0x8000;
            accepted += PosixSecurity.Read(cache.Map, bytes, 7, ref uid, ref gid, ref mode) == NtStatus.Success ? 1 : 0;
            Assert.Equal(0x8000, mode & 0xFE00);
        }
        Assert.InRange(accepted, 1, 199_999);
    }

    private static (NtStatus Status, int Mode) Set(SidMap map, Func<WriterBox, int> build)
    {
        var box = new WriterBox();
        int length = build(box);
        uint uid = 0, gid = 0;
        ushort mode = 0x8000;
        NtStatus status = PosixSecurity.Read(map, box.Bytes(length), 7, ref uid, ref gid, ref mode);
        Assert.Equal((1000u, 100u), (uid, gid));
        return (status, mode);
    }

    // A lambda cannot take the writer itself, which lives on the stack.
    private sealed class WriterBox
    {
        private readonly List<(bool Allow, byte[] Sid, uint Mask)> _aces = [];
        private readonly byte[] _buffer = new byte[1024];

        public void Allow(byte[] sid, uint mask) => _aces.Add((true, sid, mask));

        public void Deny(byte[] sid, uint mask) => _aces.Add((false, sid, mask));

        public int Finish()
        {
            var writer = new SecurityDescriptorWriter(_buffer, s_user, s_group);
            foreach ((bool allow, byte[] sid, uint mask) in _aces)
            {
                if (allow)
                {
                    writer.Allow(sid, mask);
                }
                else
                {
                    writer.Deny(sid, mask);
                }
            }
            return writer.Finish();
        }

        public ReadOnlySpan<byte> Bytes(int length) => _buffer.AsSpan(0, length);
    }

    private static byte[] SidOf(SecurityCache cache, uint id, bool isGroup)
    {
        byte[] sid = new byte[Sid.MaxLength];
        return sid[..(isGroup ? cache.Map.FromGroup(id, sid) : cache.Map.FromUser(id, sid))];
    }

    private static int Bits(uint granted) => (granted & 1) != 0 ? 4 | Rest(granted) : Rest(granted);

    private static int Rest(uint granted) => ((granted & 2) != 0 ? 2 : 0) | ((granted & 0x20) != 0 ? 1 : 0);

    // Windows' rule, read from the bytes without the code under test: entries in order, the first that names a right
    // decides it.
    private static uint AccessCheck(byte[] descriptor, params byte[][] token)
    {
        int acl = BitConverter.ToInt32(descriptor, 16);
        int at = acl + 8;
        uint granted = 0, denied = 0;
        for (int i = 0; i < BitConverter.ToUInt16(descriptor, acl + 4); i++)
        {
            int size = BitConverter.ToUInt16(descriptor, at + 2);
            uint mask = BitConverter.ToUInt32(descriptor, at + 4);
            if (token.Any(sid => sid.AsSpan().SequenceEqual(descriptor.AsSpan(at + 8, size - 8))))
            {
                if (descriptor[at] == 0)
                {
                    granted |= mask & ~denied;
                }
                else
                {
                    Assert.Equal(1, descriptor[at]);
                    denied |= mask & ~granted;
                }
            }
            at += size;
        }
        Assert.Equal(descriptor.Length, at);
        Assert.Equal(at - acl, BitConverter.ToUInt16(descriptor, acl + 2));
        return granted;
    }
}
