using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Fuse.Mounting;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Tests.Protocol;

/// <summary>Sizes and offsets of what crosses /dev/fuse, against include/uapi/linux/fuse.h 7.45.</summary>
public class StructureTests
{
    [Fact]
    public void Request_structures_have_the_kernels_sizes()
    {
        Assert.Equal(40, Unsafe.SizeOf<InHeader>());
        Assert.Equal(64, Unsafe.SizeOf<InitIn>());
        Assert.Equal(8, Unsafe.SizeOf<ForgetIn>());
        Assert.Equal(16, Unsafe.SizeOf<ForgetOne>());
        Assert.Equal(8, Unsafe.SizeOf<BatchForgetIn>());
        Assert.Equal(24, Unsafe.SizeOf<StatXIn>());
        Assert.Equal(88, Unsafe.SizeOf<SetAttrIn>());
        Assert.Equal(16, Unsafe.SizeOf<MkNodIn>());
        Assert.Equal(8, Unsafe.SizeOf<MkDirIn>());
        Assert.Equal(8, Unsafe.SizeOf<RenameIn>());
        Assert.Equal(16, Unsafe.SizeOf<Rename2In>());
        Assert.Equal(8, Unsafe.SizeOf<LinkIn>());
        Assert.Equal(8, Unsafe.SizeOf<OpenIn>());
        Assert.Equal(16, Unsafe.SizeOf<CreateIn>());
        Assert.Equal(40, Unsafe.SizeOf<ReadIn>());
        Assert.Equal(40, Unsafe.SizeOf<WriteIn>());
        Assert.Equal(16, Unsafe.SizeOf<FsyncIn>());
        Assert.Equal(16, Unsafe.SizeOf<SetXattrIn>());
        Assert.Equal(8, Unsafe.SizeOf<GetXattrIn>());
        Assert.Equal(32, Unsafe.SizeOf<FAllocateIn>());
        Assert.Equal(24, Unsafe.SizeOf<LSeekIn>());
        Assert.Equal(56, Unsafe.SizeOf<CopyFileRangeIn>());
        Assert.Equal(32, Unsafe.SizeOf<IoCtlIn>());
    }

    [Fact]
    public void Reply_structures_have_the_kernels_sizes()
    {
        Assert.Equal(16, Unsafe.SizeOf<OutHeader>());
        Assert.Equal(64, Unsafe.SizeOf<InitOut>());
        Assert.Equal(88, Unsafe.SizeOf<Attr>());
        Assert.Equal(128, Unsafe.SizeOf<EntryOut>());
        Assert.Equal(104, Unsafe.SizeOf<AttrOut>());
        Assert.Equal(288, Unsafe.SizeOf<StatXOut>());
        Assert.Equal(16, Unsafe.SizeOf<OpenOut>());
        Assert.Equal(8, Unsafe.SizeOf<WriteOut>());
        Assert.Equal(80, Unsafe.SizeOf<StatFsOut>());
        Assert.Equal(8, Unsafe.SizeOf<GetXattrOut>());
        Assert.Equal(16, Unsafe.SizeOf<IoCtlOut>());
        Assert.Equal(24, Unsafe.SizeOf<Dirent>());
    }

    [Fact]
    public void Fields_that_are_not_in_line_lie_where_the_kernel_looks()
    {
        Assert.Equal(24, (int)Marshal.OffsetOf<InHeader>(nameof(InHeader.Uid)));
        Assert.Equal(36, (int)Marshal.OffsetOf<InHeader>(nameof(InHeader.ExtensionLength)));
        Assert.Equal(68, (int)Marshal.OffsetOf<SetAttrIn>(nameof(SetAttrIn.Mode)));
        Assert.Equal(76, (int)Marshal.OffsetOf<SetAttrIn>(nameof(SetAttrIn.Uid)));
        Assert.Equal(20, (int)Marshal.OffsetOf<InitOut>(nameof(InitOut.MaxWrite)));
        Assert.Equal(28, (int)Marshal.OffsetOf<InitOut>(nameof(InitOut.MaxPages)));
        Assert.Equal(32, (int)Marshal.OffsetOf<InitOut>(nameof(InitOut.Flags2)));
        Assert.Equal(40, (int)Marshal.OffsetOf<EntryOut>(nameof(EntryOut.Attr)));
        Assert.Equal(60, (int)Marshal.OffsetOf<Attr>(nameof(Attr.Mode)));
        Assert.Equal(32 + 64, (int)Marshal.OffsetOf<StatXOut>(nameof(StatXOut.Atime)));
        Assert.Equal(32 + 80, (int)Marshal.OffsetOf<StatXOut>(nameof(StatXOut.Btime)));
        Assert.Equal(32 + 128, (int)Marshal.OffsetOf<StatXOut>(nameof(StatXOut.DeviceMajor)));
    }

    [Fact]
    public void Loop_configuration_has_the_kernels_layout()
    {
        Assert.Equal(304, Unsafe.SizeOf<LoopAttachment.LoopConfig>());
        Assert.Equal(8 + 24, (int)Marshal.OffsetOf<LoopAttachment.LoopConfig>(nameof(LoopAttachment.LoopConfig.Offset)));
        Assert.Equal(8 + 52, (int)Marshal.OffsetOf<LoopAttachment.LoopConfig>(nameof(LoopAttachment.LoopConfig.Flags)));
        Assert.Equal(56, Unsafe.SizeOf<Libc.MessageHeader>());
    }
}
