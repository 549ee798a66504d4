using System.Buffers.Binary;
using System.Text;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>Reparse points and extended attributes through the real table.</summary>
public sealed class LinkAndEaTests
{
    private const uint SymlinkTag = 0xA000000C;

    public static TheoryData<HostKind> Hosts => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_link_is_made_found_resolved_and_unmade(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        client.Close(client.Create(@"\dir", isDirectory: true).File!);
        client.Close(client.Create(@"\dir\target").File!);
        Opened link = client.Create(@"\link").File!;
        Assert.Equal(NtStatus.NotAReparsePoint, client.Fill(FillKind.Reparse, link, @"\link", 16384).Status);
        byte[] data = Symlink(@"dir\target");
        Assert.Equal(NtStatus.Success, client.SetReparsePoint(link, @"\link", data));
        (NtStatus status, byte[] read) = client.Fill(FillKind.Reparse, link, @"\link", 16384);
        Assert.Equal(NtStatus.Success, status);
        Assert.Equal(SymlinkTag, BinaryPrimitives.ReadUInt32LittleEndian(read));
        Assert.Equal(NtStatus.BufferTooSmall, client.Fill(FillKind.Reparse, link, @"\link", 16).Status);
        Assert.Equal(NtStatus.Success, client.GetFileInfo(link, out WindowsFileInfo info));
        Assert.Equal((SymlinkTag, 0x400u), (info.ReparseTag, info.FileAttributes & 0x400));
        client.Close(link);

        (status, byte[] resolved) = client.Fill(FillKind.Resolve, new Opened(), @"\link", 16384);
        Assert.Equal(NtStatus.Reparse, status);
        Assert.Equal(read, resolved);
        Assert.Equal(NtStatus.NotAReparsePoint, client.Fill(FillKind.Resolve, new Opened(), @"\dir\target", 16384).Status);

        client.Close(client.Create(@"\dir\sub", isDirectory: true).File!);
        Opened second = client.Create(@"\to", isDirectory: true).File!;
        Assert.Equal(NtStatus.Success, client.SetReparsePoint(second, @"\to", Symlink("dir")));
        client.Close(second);
        (status, uint index, _) = client.GetSecurityByName(@"\to\sub");
        Assert.Equal(NtStatus.Reparse, status);
        Assert.Equal(kind == HostKind.Builtin ? 1u : 0u, index); // the package keeps it to itself

        link = client.Open(@"\link").File!;
        Assert.Equal(NtStatus.Success, client.SetReparsePoint(link, @"\link", [.. read[..4], 0, 0, 0, 0], delete: true)); // the tag, and no data
        Assert.Equal(NtStatus.NotAReparsePoint, client.Fill(FillKind.Reparse, link, @"\link", 16384).Status);
        client.Close(link);
        mounted.Finish();
        Assert.Equal("dir\n", mounted.Image.WithKernel("readlink $M/to"));
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Extended_attributes_are_set_listed_and_deleted(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        Assert.Equal(NtStatus.Success, client.SetEa(file, Ea("COMMENT", "a word"u8)));
        (NtStatus status, byte[] list) = client.Fill(FillKind.Ea, file, @"\file", 8192);
        Assert.Equal(NtStatus.Success, status);
        Assert.Contains("COMMENT\0a word", Encoding.ASCII.GetString(list), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(NtStatus.Success, client.GetFileInfo(file, out WindowsFileInfo info));
        Assert.NotEqual(0u, info.EaSize);
        Assert.Equal(NtStatus.Success, client.SetEa(file, Ea("COMMENT", [])));
        (_, list) = client.Fill(FillKind.Ea, file, @"\file", 8192);
        Assert.DoesNotContain("COMMENT", Encoding.ASCII.GetString(list), StringComparison.OrdinalIgnoreCase);
        client.Close(file);

        Opened withEa = client.Create(@"\with", extra: Ea("$LXMOD", BitConverter.GetBytes(0x81A0u))).File!; // 0100640
        client.Close(withEa);
        mounted.Finish();
        Assert.Equal("640\n", mounted.Image.WithKernel("stat -c %a $M/with"));
    }

    // REPARSE_DATA_BUFFER of a relative symbolic link.
    private static byte[] Symlink(string target)
    {
        byte[] name = Encoding.Unicode.GetBytes(target);
        byte[] data = new byte[20 + (2 * name.Length)];
        BinaryPrimitives.WriteUInt32LittleEndian(data, SymlinkTag);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(4), (ushort)(12 + (2 * name.Length)));
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(8), 0);                        // SubstituteNameOffset
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(10), (ushort)name.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(12), (ushort)name.Length);     // PrintNameOffset
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(14), (ushort)name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(16), 1);                       // SYMLINK_FLAG_RELATIVE
        name.CopyTo(data, 20);
        name.CopyTo(data, 20 + name.Length);
        return data;
    }

    // One FILE_FULL_EA_INFORMATION.
    private static byte[] Ea(string name, ReadOnlySpan<byte> value)
    {
        byte[] entry = new byte[8 + name.Length + 1 + value.Length];
        entry[5] = (byte)name.Length;
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(6), (ushort)value.Length);
        Encoding.ASCII.GetBytes(name, entry.AsSpan(8));
        value.CopyTo(entry.AsSpan(9 + name.Length));
        return entry;
    }
}
