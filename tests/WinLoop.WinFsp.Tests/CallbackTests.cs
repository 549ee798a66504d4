using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>Every callback through the real table, for both hosts, on real images.</summary>
public sealed class CallbackTests
{
    public static TheoryData<HostKind> Hosts => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_volume_is_announced_with_all_its_abilities(HostKind kind)
    {
        using MountedVolume mounted = new(kind, options: new WinFspMountOptions { FileSystemName = "a name that is too long" });
        VolumeParams parameters = mounted.Volume.Parameters;
        VolumeFlags context = kind == HostKind.Builtin ? VolumeFlags.UmFileContextIsUserContext2 : VolumeFlags.UmFileContextIsFullContext;
        Assert.Equal(
            VolumeFlags.CasePreservedNames | VolumeFlags.UnicodeOnDisk | VolumeFlags.PersistentAcls | VolumeFlags.ReparsePoints
            | VolumeFlags.NamedStreams | VolumeFlags.ExtendedAttributes | VolumeFlags.WslFeatures | VolumeFlags.SupportsPosixUnlinkRename
            | VolumeFlags.PostCleanupWhenModifiedOnly | VolumeFlags.PostDispositionWhenNecessaryOnly | VolumeFlags.PassQueryDirectoryFileName
            | VolumeFlags.AllowOpenInKernelMode | VolumeFlags.FlushAndPurgeOnCleanup | context, parameters.Flags);
        Assert.Equal("WinFsp.Disk", mounted.Volume.Device);
        Assert.Equal(504, parameters.Version);
        Assert.Equal(512, parameters.SectorSize);
        Assert.Equal(mounted.Host.Session.FileSystem.Facts.SectorsPerAllocationUnit, parameters.SectorsPerAllocationUnit);
        Assert.Equal(255, parameters.MaxComponentLength);
        Assert.Equal(0xFFFFFFFF, parameters.FileInfoTimeout);
        Assert.NotEqual(0u, parameters.VolumeSerialNumber);
        Assert.NotEqual(0ul, parameters.VolumeCreationTime);
        unsafe
        {
            Assert.Equal("a name that is ", new string(parameters.FileSystemName));
        }
        Assert.True(mounted.Volume.IsGuardOff);
        Assert.True(mounted.Volume.IsRunning);
        mounted.Finish();
    }

    [Theory]
    [InlineData(HostKind.Builtin, true, true)]
    [InlineData(HostKind.Package, true, true)]
    [InlineData(HostKind.Builtin, false, true)]
    [InlineData(HostKind.Package, false, true)]
    public void Options_of_the_mount_become_flags(HostKind kind, bool readOnly, bool fast)
    {
        using MountedVolume mounted = new(kind,
            options: new WinFspMountOptions { FastCache = fast, Windows = new WindowsOptions { CaseSensitive = true } },
            mount: new Ext4MountOptions { IsReadOnly = readOnly });
        VolumeFlags flags = mounted.Volume.Parameters.Flags;
        Assert.Equal(readOnly, flags.HasFlag(VolumeFlags.ReadOnlyVolume));
        Assert.False(flags.HasFlag(VolumeFlags.FlushAndPurgeOnCleanup));
        Assert.True(flags.HasFlag(VolumeFlags.CaseSensitiveSearch));
        Assert.True(flags.HasFlag(VolumeFlags.PostDispositionWhenNecessaryOnly));
        (NtStatus status, Opened? file) = mounted.Client.Create(@"\new");
        Assert.Equal(readOnly ? NtStatus.MediaWriteProtected : NtStatus.Success, status);
        if (file is not null)
        {
            Assert.Null(file.Name); // case-sensitive: nothing to normalise
            mounted.Client.Close(file);
        }
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_file_lives_through_all_its_callbacks(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Assert.Equal(NtStatus.ObjectNameNotFound, client.GetSecurityByName(@"\file").Status);
        Assert.Equal(NtStatus.ObjectPathNotFound, client.GetSecurityByName(@"\none\file").Status);

        (NtStatus status, Opened? created) = client.Create(@"\File.txt");
        Assert.Equal(NtStatus.Success, status);
        Opened file = created!;
        Assert.Equal(@"\File.txt", file.Name);
        Assert.Equal(NtStatus.ObjectNameCollision, client.Create(@"\File.txt").Status);

        (status, uint transferred, WindowsFileInfo info) = client.Write(file, "hello"u8, 0);
        Assert.Equal((NtStatus.Success, 5u, 5ul), (status, transferred, info.FileSize));
        (status, transferred, info) = client.Write(file, " world"u8, ulong.MaxValue, toEnd: true);
        Assert.Equal((NtStatus.Success, 6u, 11ul), (status, transferred, info.FileSize));
        (status, transferred, info) = client.Write(file, "WORLD, and more"u8, 6, constrained: true);
        Assert.Equal((NtStatus.Success, 5u, 11ul), (status, transferred, info.FileSize));
        Assert.Equal("hello WORLD", Encoding.ASCII.GetString(client.Read(file, 100, 0).Data));
        Assert.Equal(NtStatus.EndOfFile, client.Read(file, 100, 11).Status);

        Assert.Equal(NtStatus.Success, client.GetFileInfo(file, out info));
        Assert.Equal(11ul, info.FileSize);
        Assert.Equal(NtStatus.Success, client.SetFileSize(file, 5, false, out info));
        Assert.Equal(5ul, info.FileSize);
        ulong time = 133_000_000_000_000_123;
        Assert.Equal(NtStatus.Success, client.SetBasicInfo(file, 2, time, 0, time + 1, 0, out info));
        Assert.Equal((time, time + 1), (info.CreationTime, info.LastWriteTime));
        Assert.Equal(2u, info.FileAttributes & 2);
        Assert.Equal(NtStatus.Success, client.Flush(file));
        Assert.Equal(NtStatus.Success, client.Flush(null));
        client.Close(file);

        (status, Opened? opened) = client.Open(@"\FILE.TXT");
        Assert.Equal(NtStatus.Success, status);
        Assert.Equal(@"\File.txt", opened!.Name);
        Assert.False(opened.IsCacheDisabled);
        Assert.Equal(NtStatus.Success, client.Overwrite(opened, 0x20, true));
        Assert.Equal(NtStatus.EndOfFile, client.Read(opened, 1, 0).Status);
        Assert.Equal(NtStatus.Success, client.Rename(opened, @"\File.txt", @"\other", false));
        Assert.Equal(NtStatus.Success, client.SetDelete(opened, @"\other", true));
        client.Cleanup(opened, @"\other", CleanupFlags.Delete);
        Assert.Equal(NtStatus.ObjectNameNotFound, client.GetSecurityByName(@"\other").Status);
        client.Close(opened);
        Assert.Equal(0, mounted.Host.OpenFiles);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_directory_is_listed_page_by_page_and_name_by_name(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened directory = client.Create(@"\Dir", isDirectory: true).File!;
        List<string> expected = [".", ".."];
        for (int i = 0; i < 300; i++)
        {
            string name = $"name {i} {new string('x', i % 40)}y";
            client.Close(client.Create(@"\Dir\" + name).File!);
            expected.Add(name);
        }

        List<string> found = [];
        string? marker = null;
        bool isEnd;
        int pages = 0;
        do
        {
            (NtStatus status, List<string> names, isEnd) = client.ReadDirectory(directory, marker, 4096);
            Assert.Equal(NtStatus.Success, status);
            found.AddRange(names);
            marker = names.LastOrDefault() ?? marker;
            pages++;
        }
        while (!isEnd);
        Assert.True(pages > 5);
        Assert.Equal(expected.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));

        (NtStatus one, string actual, WindowsFileInfo info) = client.GetDirInfoByName(directory, "NAME 7 XXXXXXXY");
        Assert.Equal((NtStatus.Success, "name 7 xxxxxxxy"), (one, actual));
        Assert.NotEqual(0ul, info.IndexNumber);
        Assert.False(client.GetDirInfoByName(directory, "nobody").Status == NtStatus.Success);
        Assert.Equal(NtStatus.DirectoryNotEmpty, client.SetDelete(directory, @"\Dir", true));
        client.Close(directory);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Descriptors_are_copied_merged_and_freed(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        (NtStatus status, _, byte[] byName) = client.GetSecurityByName(@"\file");
        Assert.Equal(NtStatus.Success, status);
        Assert.NotEmpty(byName);
        (status, _, byte[] tooSmall) = client.GetSecurityByName(@"\file", room: 8);
        Assert.Equal(NtStatus.BufferOverflow, status);
        Assert.Equal(byName.Length, tooSmall.Length);
        (status, byte[] byFile) = client.GetSecurity(file);
        Assert.Equal(NtStatus.Success, status);
        Assert.Equal(byName, byFile);

        int before = LibraryDouble.Descriptors;
        Assert.Equal(NtStatus.Success, client.SetSecurity(file, 4, byFile));
        Assert.Equal(before, LibraryDouble.Descriptors);
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_label_can_be_changed(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        (NtStatus status, VolumeInfo info) = mounted.Client.SetVolumeLabel("Etikett");
        Assert.Equal(NtStatus.Success, status);
        (status, info) = mounted.Client.GetVolumeInfo();
        Assert.Equal(NtStatus.Success, status);
        unsafe
        {
            Assert.Equal("Etikett", new string(info.VolumeLabel, 0, info.VolumeLabelLength / 2));
        }
        Assert.InRange(info.FreeSize, 1ul, info.TotalSize);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Streams_are_listed_and_a_list_that_does_not_fit_has_no_end(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, "12345"u8, 0);
        Opened stream = client.Create(@"\file:more").File!;
        Assert.Equal(NtStatus.Success, client.Write(stream, "abc"u8, 0).Status);
        client.Close(stream);

        (NtStatus status, byte[] list) = client.Fill(FillKind.Streams, file, @"\file", 4096);
        Assert.Equal(NtStatus.Success, status);
        Assert.Equal(24, MemoryMarshal.Read<ushort>(list));                         // the content, without a name
        Assert.Equal(5ul, MemoryMarshal.Read<ulong>(list.AsSpan(8)));
        Assert.Equal(24 + 8, MemoryMarshal.Read<ushort>(list.AsSpan(24)));          // "more"
        Assert.Equal(3ul, MemoryMarshal.Read<ulong>(list.AsSpan(24 + 8)));
        Assert.Equal("more", new string(MemoryMarshal.Cast<byte, char>(list.AsSpan(48, 8))));
        Assert.Equal([0, 0], list[56..]);

        (status, list) = client.Fill(FillKind.Streams, file, @"\file", 30);
        Assert.Equal((NtStatus.Success, 24), (status, list.Length));
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Numbers_of_opens_that_are_over_are_refused(HostKind kind)
    {
        if (kind == HostKind.Package)
        {
            return; // the package frees the handle behind the number: there is nothing to ask
        }
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        using Opened stale = new();
        unsafe
        {
            *stale.Context = *file.Context;
        }
        client.Close(file);
        Assert.Equal(NtStatus.InvalidHandle, client.GetFileInfo(stale, out _));
        Opened other = client.Create(@"\other").File!;
        Assert.Equal(NtStatus.InvalidHandle, client.GetFileInfo(stale, out _));
        Assert.Equal(NtStatus.InvalidHandle, client.Read(stale, 1, 0).Status);
        client.Close(other);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Hard_links_go_past_the_cache(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        mounted.Host.Unmount(force: true);
        mounted.Image.WithKernel("echo data > $M/a; ln $M/a $M/b");
        Ext4Volume volume = mounted.Image.Mount();
        WinFspMountOptions options = new() { MountPoint = "links:", Exports = LibraryDouble.Exports };
        using WindowsHost host = kind == HostKind.Builtin ? WinFspHost.Mount(volume, options) : Package.PackageHost.Mount(volume, options);
        CallbackClient client = new(LibraryDouble.Find("links:"));
        Opened file = client.Open(@"\a").File!;
        Assert.True(file.IsCacheDisabled);
        client.Close(file);
        host.Unmount();
        mounted.Image.AssertClean();
    }

    [Fact]
    public unsafe void Reading_writing_and_asking_for_attributes_allocate_nothing()
    {
        using MountedVolume mounted = new(HostKind.Builtin);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        byte* buffer = stackalloc byte[4096];
        new Span<byte>(buffer, 4096).Fill(7);
        long before = 0;
        for (int i = 0; i < 20_000; i++)
        {
            if (i == 10_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            client.Write(file, buffer, 4096, 0, out _, out _);
            client.Read(file, buffer, 4096, 0, out _);
            client.GetFileInfo(file, out _);
        }
        // What the journal does now and then on this thread is not the path's.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
        client.Close(file);
        mounted.Finish();
    }
}
