using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Tests;

/// <summary>Sizes and offsets of what goes over the boundary: facts of inc/winfsp/fsctl.h and winfsp.h.</summary>
public sealed class AbiTests
{
    [Fact]
    public void Structures_have_the_sizes_of_the_header()
    {
        Assert.Equal(72, Unsafe.SizeOf<WindowsFileInfo>());
        Assert.Equal(88, Unsafe.SizeOf<OpenFileInfo>());
        Assert.Equal(104, Unsafe.SizeOf<DirInfo>());
        Assert.Equal(24, Unsafe.SizeOf<StreamInfo>());
        Assert.Equal(88, Unsafe.SizeOf<VolumeInfo>());
        Assert.Equal(504, Unsafe.SizeOf<VolumeParams>());
        Assert.Equal(16, Unsafe.SizeOf<FullContext>());
        Assert.Equal(512, Unsafe.SizeOf<FileSystemInterface>());
        Assert.Equal(88, Unsafe.SizeOf<TransactRequest>());
        Assert.Equal(128, Unsafe.SizeOf<TransactResponse>());
        Assert.Equal(16, Unsafe.SizeOf<IoStatusBlock>());
        Assert.Equal(16, Unsafe.SizeOf<OperationContext>());
    }

    [Theory]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.ReparseTag), 4)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.AllocationSize), 8)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.FileSize), 16)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.CreationTime), 24)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.LastAccessTime), 32)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.LastWriteTime), 40)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.ChangeTime), 48)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.IndexNumber), 56)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.HardLinks), 64)]
    [InlineData(typeof(WindowsFileInfo), nameof(WindowsFileInfo.EaSize), 68)]
    [InlineData(typeof(OpenFileInfo), nameof(OpenFileInfo.NormalizedName), 72)]
    [InlineData(typeof(OpenFileInfo), nameof(OpenFileInfo.NormalizedNameSize), 80)]
    [InlineData(typeof(DirInfo), nameof(DirInfo.Info), 8)]
    [InlineData(typeof(DirInfo), nameof(DirInfo.NextOffset), 80)]
    [InlineData(typeof(StreamInfo), nameof(StreamInfo.StreamSize), 8)]
    [InlineData(typeof(StreamInfo), nameof(StreamInfo.StreamAllocationSize), 16)]
    [InlineData(typeof(VolumeInfo), nameof(VolumeInfo.VolumeLabelLength), 16)]
    [InlineData(typeof(VolumeInfo), nameof(VolumeInfo.VolumeLabel), 18)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.SectorSize), 2)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.MaxComponentLength), 6)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.VolumeCreationTime), 8)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.VolumeSerialNumber), 16)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.FileInfoTimeout), 32)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.Flags), 36)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.Prefix), 40)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.FileSystemName), 424)]
    [InlineData(typeof(VolumeParams), nameof(VolumeParams.AdditionalFlags), 456)]
    [InlineData(typeof(FileSystemHead), nameof(FileSystemHead.UserContext), 8)]
    [InlineData(typeof(TransactRequest), nameof(TransactRequest.Hint), 8)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.Size), 2)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.Kind), 4)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.Hint), 8)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.Information), 16)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.Status), 20)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.WriteInfo), 24)]
    [InlineData(typeof(TransactResponse), nameof(TransactResponse.OpenedFlags), 124)]
    [InlineData(typeof(FileSystemInterface), nameof(FileSystemInterface.GetDirInfoByName), 24 * 8)]
    [InlineData(typeof(FileSystemInterface), nameof(FileSystemInterface.CreateEx), 27 * 8)]
    [InlineData(typeof(FileSystemInterface), nameof(FileSystemInterface.DispatcherStopped), 32 * 8)]
    public void Fields_are_where_the_header_has_them(Type type, string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf(type, field));

    [Fact]
    public void A_label_is_cut_and_its_length_counts_bytes()
    {
        VolumeInfo info = default;
        info.SetLabel(new string('x', 40));
        Assert.Equal(64, info.VolumeLabelLength);
        info.SetLabel("ab");
        Assert.Equal(4, info.VolumeLabelLength);
    }
}
