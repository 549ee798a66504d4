using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Create;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class DataTests
{
    private static readonly byte[] s_hello = "hello, world"u8.ToArray();

    [Fact]
    public void ReadsWritesAndTheirEnds()
    {
        using var volume = new WindowsVolume();
        WindowsFile file = volume.Create("\\f");
        byte[] buffer = new byte[100];
        Assert.Equal(NtStatus.EndOfFile, volume.Files.Read(file, buffer, 0, out _));
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, s_hello, 5, false, false, out int count, out WindowsFileInfo info));
        Assert.Equal(12, count);
        Assert.Equal(17ul, info.FileSize);
        Assert.Equal(4096ul, info.AllocationSize);
        Assert.Equal(NtStatus.Success, volume.Files.Read(file, buffer, 3, out count));
        Assert.Equal("\0\0hello, world", Encoding.ASCII.GetString(buffer, 0, count));
        Assert.Equal(NtStatus.EndOfFile, volume.Files.Read(file, buffer, 17, out _));
        Assert.Equal(NtStatus.EndOfFile, volume.Files.Read(file, buffer, ulong.MaxValue, out _));
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, s_hello, ulong.MaxValue, true, false, out count, out info));
        Assert.Equal(29ul, info.FileSize);
        Assert.Equal(NtStatus.InvalidParameter, volume.Files.Write(file, s_hello, ulong.MaxValue - 3, false, false, out _, out _));
        Assert.Equal(NtStatus.Success, volume.Files.Flush(file, out info));
        Assert.Equal(29ul, info.FileSize);
        volume.Close(file);
        WindowsFile directory = volume.Create("\\d", isDirectory: true);
        Assert.Equal(NtStatus.InvalidDeviceRequest, volume.Files.Read(directory, buffer, 0, out _));
        Assert.Equal(NtStatus.InvalidDeviceRequest, volume.Files.Write(directory, s_hello, 0, false, false, out _, out _));
        Assert.Equal(NtStatus.Success, volume.Files.Flush(null, out _));
        volume.Close(directory);
        volume.Finish();
    }

    [Fact]
    public void PagingWritesNeverExtendNorTouchTimes()
    {
        using var volume = new WindowsVolume();
        WindowsFile file = volume.Create("\\f");
        volume.Files.SetFileSize(file, 10, false, out _);
        volume.Files.SetBasicInfo(file, uint.MaxValue, 0, 0, 130_000_000_000_000_001, 0, out _);
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, s_hello, 4, false, true, out int count, out WindowsFileInfo info));
        Assert.Equal(6, count);
        Assert.Equal(10ul, info.FileSize);
        Assert.Equal(130_000_000_000_000_001ul, info.LastWriteTime);
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, s_hello, 10, false, true, out count, out info));
        Assert.Equal(0, count);
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, s_hello, 1 << 20, false, true, out count, out info));
        Assert.Equal(0, count);
        Assert.Equal(10ul, info.FileSize);
        Assert.Equal("\0\0\0\0hello,", volume.Content(file));
        volume.Close(file, CleanupFlags.SetAllocationSize);
        Assert.Equal(130_000_000_000_000_001ul, volume.Info("\\f").LastWriteTime);
        volume.Finish();
    }

    [Fact]
    public void GrowingReservesAndAFullDiskChangesNothing()
    {
        using var volume = new WindowsVolume(megabytes: 16);
        WindowsFile file = volume.Create("\\f");
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo before);
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, 4 << 20, false, out WindowsFileInfo info));
        Assert.Equal(4ul << 20, info.FileSize);
        Assert.True(info.AllocationSize >= 4ul << 20);
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo after);
        Assert.True(before.FreeSize - after.FreeSize >= 4ul << 20, $"{before.FreeSize} -> {after.FreeSize}");
        Assert.Equal(NtStatus.DiskFull, volume.Files.SetFileSize(file, 64 << 20, false, out info));
        Assert.Equal(4ul << 20, info.FileSize);
        Assert.Equal(NtStatus.DiskFull, volume.Files.SetFileSize(file, 64 << 20, true, out info));
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo still);
        Assert.Equal(after.FreeSize, still.FreeSize);

        // All that is free is taken by another file; what was promised to the first one can still be written.
        WindowsFile other = volume.Create("\\other");
        byte[] block = new byte[4096];
        ulong at = 0;
        while (volume.Files.SetFileSize(other, at + 4096, false, out _) == NtStatus.Success)
        {
            at += 4096;
        }
        Assert.True(at > 1 << 20);
        Assert.Equal(NtStatus.DiskFull, volume.Files.Write(other, new byte[1 << 16], at, false, false, out int count, out info));
        Assert.Equal(at, info.FileSize);
        Array.Fill(block, (byte)7);
        for (ulong position = 0; position < 4 << 20; position += 8192)
        {
            Assert.Equal(NtStatus.Success, volume.Files.Write(file, block, position, false, true, out count, out _));
            Assert.Equal(4096, count);
        }
        Assert.Equal(NtStatus.Success, volume.Files.Read(file, block, 4096, out _));
        Assert.All(block, b => Assert.Equal(0, b));
        volume.Close(other, CleanupFlags.Delete);
        volume.Close(file);
        volume.Finish();
    }

    [Fact]
    public void SmallExtendsFollowedByTheirWrites()
    {
        using var volume = new WindowsVolume(megabytes: 64);
        WindowsFile file = volume.Create("\\f");
        byte[] block = new byte[4096];
        for (uint i = 0; i < 1000; i++)
        {
            Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, (i + 1) * 4096, false, out _));
            block.AsSpan().Fill((byte)i);
            Assert.Equal(NtStatus.Success, volume.Files.Write(file, block, i * 4096, false, true, out _, out _));
        }
        for (uint i = 0; i < 1000; i++)
        {
            volume.Files.Read(file, block, i * 4096, out _);
            Assert.True(block.AsSpan().IndexOfAnyExcept((byte)i) < 0);
        }
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, 5000, false, out WindowsFileInfo info));
        Assert.Equal(8192ul, info.AllocationSize);
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, 1 << 20, true, out info));
        Assert.Equal((5000ul, 1ul << 20), (info.FileSize, info.AllocationSize));
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, 65536, true, out info));
        Assert.Equal((5000ul, 65536ul), (info.FileSize, info.AllocationSize));
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(file, 4096, true, out info));
        Assert.Equal((4096ul, 4096ul), (info.FileSize, info.AllocationSize));
        volume.Files.SetFileSize(file, 1 << 20, true, out _);
        volume.Close(file, CleanupFlags.SetAllocationSize);
        Assert.Equal(4096ul, volume.Info("\\f").AllocationSize);
        volume.Finish();
    }

    [Fact]
    public void OverwriteKeepsTheInodeAndDropsTheRest()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f", "old content");
        WindowsFile stream = volume.Create("\\f:s");
        volume.Close(stream);
        ulong number = volume.Info("\\f").IndexNumber;
        WindowsFile file = volume.Open("\\F");
        volume.Files.SetBasicInfo(file, DosAttributes.Hidden, 0, 0, 0, 0, out WindowsFileInfo info);
        Assert.Equal(NtStatus.Success, volume.Files.Overwrite(file, DosAttributes.System, false, 10000, default, out info));
        Assert.Equal(DosAttributes.Hidden | DosAttributes.System | DosAttributes.Archive, info.FileAttributes);
        Assert.Equal((0ul, 12288ul, number), (info.FileSize, info.AllocationSize, info.IndexNumber));
        Assert.Equal(NtStatus.Success, volume.Files.Overwrite(file, DosAttributes.Normal, true, 0, default, out info));
        Assert.Equal(DosAttributes.Archive, info.FileAttributes);
        Assert.False(volume.Exists("\\f:s"));
        volume.Close(file);
        volume.Finish();
    }

    [Fact]
    public void AReadOnlyVolumeIsWriteProtected()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f", "x");
        volume.MakeDirectory("\\d");
        volume.Remount(mount: new Ext4MountOptions { IsReadOnly = true });
        Assert.True(volume.Files.Facts.IsReadOnly);
        WindowsFile file = volume.Open("\\f");
        const NtStatus Protected = NtStatus.MediaWriteProtected;
        Assert.Equal("x", volume.Content(file));
        Assert.Equal(Protected, volume.TryCreate("\\g").Status);
        Assert.Equal(Protected, volume.TryCreate("\\f:s").Status);
        Assert.Equal(Protected, volume.Files.Write(file, s_hello, 0, false, false, out _, out _));
        Assert.Equal(Protected, volume.Files.SetFileSize(file, 0, false, out _));
        Assert.Equal(Protected, volume.Files.SetBasicInfo(file, 1, 0, 0, 0, 0, out _));
        Assert.Equal(Protected, volume.Files.SetDelete(file, "\\f", true));
        Assert.Equal(Protected, volume.Files.Rename(file, "\\f", "\\g", false));
        Assert.Equal(Protected, volume.Files.Overwrite(file, 0, false, 0, default, out _));
        Assert.Equal(Protected, volume.Files.SetEa(file, default, out _));
        Assert.Equal(Protected, volume.Files.SetSecurity(file, 4, default));
        Assert.Equal(Protected, volume.Files.SetVolumeLabel("x", out _));
        Assert.Equal(NtStatus.Success, volume.Files.Flush(file, out _));
        volume.Close(file, CleanupFlags.Delete);
        Assert.True(volume.Exists("\\f"));
        volume.Finish();
    }

    [Fact]
    public void TheVolumeSaysWhoItIs()
    {
        using var volume = new WindowsVolume(create: new Ext4CreateOptions
        {
            IsZeroed = true,
            Label = "first",
            Uuid = new Guid("01020304-0506-0708-090a-0b0c0d0e0f10"),
            Time = new WinLoop.Ext4.Format.Timestamp(1_700_000_000, 0),
            BlockSize = 1024,
        });
        WindowsVolumeFacts facts = volume.Files.Facts;
        Assert.Equal((512, 2, 133_444_736_000_000_000ul), (facts.SectorSize, facts.SectorsPerAllocationUnit, facts.CreationTime));
        Assert.NotEqual(0u, facts.SerialNumber);
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo info);
        Assert.Equal("first", info.Label);
        Assert.Equal(NtStatus.Success, volume.Files.SetVolumeLabel("Übung 1", out info));
        Assert.Equal("Übung 1", info.Label);
        Assert.Equal(NtStatus.InvalidVolumeLabel, volume.Files.SetVolumeLabel("longer than sixteen", out _));
        Assert.Equal(NtStatus.InvalidVolumeLabel, volume.Files.SetVolumeLabel("nul\0", out _));
        volume.Remount();
        volume.Files.GetVolumeInfo(out info);
        Assert.Equal("Übung 1", info.Label);
        Assert.Equal(facts, volume.Files.Facts);
        Assert.True(info.FreeSize < info.TotalSize && info.FreeSize > info.TotalSize / 2);
        volume.Finish();
    }
}
