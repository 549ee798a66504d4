using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Create;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Mounting.Tests.Windows;

/// <summary>A volume in memory seen through Windows' eyes, with shorthands. <see cref="Finish"/> has e2fsck judge it.</summary>
internal sealed class WindowsVolume : IDisposable
{
    public const uint DirectoryFile = 1, NonDirectoryFile = 0x40;

    private readonly MemoryDevice _device;
    private readonly Ext4MountOptions _mountOptions;
    private bool _isFinished;

    public WindowsVolume(int megabytes = 32, WindowsOptions? options = null, Ext4CreateOptions? create = null, Ext4MountOptions? mount = null)
    {
        _device = new MemoryDevice((long)megabytes << 20);
        Ext4Creator.Create(_device, create ?? new Ext4CreateOptions { IsZeroed = true, BlockSize = 4096 });
        _mountOptions = mount ?? new Ext4MountOptions { UseBackgroundCommit = false };
        Options = options ?? new WindowsOptions();
        Volume = Ext4Volume.Mount(new Undisposed(_device), _mountOptions);
        Files = new WindowsFileSystem(Volume, Options);
    }

    public WindowsOptions Options { get; }
    public Ext4Volume Volume { get; private set; }
    public WindowsFileSystem Files { get; private set; }

    /// <summary>Unmounts and mounts again.</summary>
    public void Remount(WindowsOptions? options = null, Ext4MountOptions? mount = null)
    {
        Files.Dispose();
        Volume.Dispose();
        Volume = Ext4Volume.Mount(new Undisposed(_device), mount ?? _mountOptions);
        Files = new WindowsFileSystem(Volume, options ?? Options);
    }

    public (NtStatus Status, WindowsFile? File, WindowsFileInfo Info) TryCreate(string path, bool isDirectory = false, uint attributes = 0,
        byte[]? extra = null, bool extraIsReparsePoint = false, ulong allocationSize = 0)
    {
        var parameters = new CreateParameters
        {
            CreateOptions = isDirectory ? DirectoryFile : NonDirectoryFile,
            FileAttributes = attributes,
            Extra = extra,
            ExtraIsReparsePoint = extraIsReparsePoint,
            AllocationSize = allocationSize,
        };
        NtStatus status;
        WindowsFile? file = null;
        WindowsFileInfo info = default;
        try
        {
            status = Files.Create(path, parameters, out file, out info);
        }
        catch (Exception e)
        {
            status = StatusMap.FromException(e);
        }
        return (status, file, info);
    }

    public WindowsFile Create(string path, bool isDirectory = false, uint attributes = 0)
    {
        (NtStatus status, WindowsFile? file, _) = TryCreate(path, isDirectory, attributes);
        Assert.Equal(NtStatus.Success, status);
        return file!;
    }

    public (NtStatus Status, WindowsFile? File, WindowsFileInfo Info) TryOpen(string path, uint createOptions = 0)
    {
        NtStatus status = Files.Open(path, createOptions, 0x1F01FF, out WindowsFile? file, out WindowsFileInfo info);
        return (status, file, info);
    }

    public WindowsFile Open(string path)
    {
        (NtStatus status, WindowsFile? file, _) = TryOpen(path);
        Assert.Equal(NtStatus.Success, status);
        return file!;
    }

    public void Close(WindowsFile file, CleanupFlags flags = CleanupFlags.None)
    {
        Files.Cleanup(file, default, flags);
        Files.Close(file);
    }

    /// <summary>Creates, writes and closes.</summary>
    public void Put(string path, string content = "")
    {
        WindowsFile file = Create(path);
        if (content.Length > 0)
        {
            Assert.Equal(NtStatus.Success, Files.Write(file, Encoding.UTF8.GetBytes(content), 0, false, false, out _, out _));
        }
        Close(file);
    }

    public void MakeDirectory(string path) => Close(Create(path, isDirectory: true));

    public string Get(string path)
    {
        WindowsFile file = Open(path);
        string content = Content(file);
        Close(file);
        return content;
    }

    public string Content(WindowsFile file)
    {
        byte[] buffer = new byte[65536];
        NtStatus status = Files.Read(file, buffer, 0, out int count);
        Assert.True(status is NtStatus.Success or NtStatus.EndOfFile, status.ToString());
        return Encoding.UTF8.GetString(buffer, 0, count);
    }

    public NtStatus Delete(string path)
    {
        (NtStatus status, WindowsFile? file, _) = TryOpen(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        status = Files.SetDelete(file!, path, true);
        Close(file!, status == NtStatus.Success ? CleanupFlags.Delete : CleanupFlags.None);
        return status;
    }

    public NtStatus Rename(string path, string newPath, bool replace = false)
    {
        WindowsFile file = Open(path);
        try
        {
            return Files.Rename(file, path, newPath, replace);
        }
        catch (Exception e)
        {
            return StatusMap.FromException(e);
        }
        finally
        {
            Close(file);
        }
    }

    public WindowsFileInfo Info(string path)
    {
        (NtStatus status, WindowsFile? file, WindowsFileInfo info) = TryOpen(path);
        Assert.Equal(NtStatus.Success, status);
        Close(file!);
        return info;
    }

    public bool Exists(string path) => Files.GetSecurityByName(path, out _, out _) == NtStatus.Success;

    public string NormalizedName(WindowsFile file)
    {
        char[] buffer = new char[1024];
        int length = file.CopyNormalizedName(buffer);
        return length < 0 ? "" : new string(buffer, 0, length);
    }

    /// <summary>All names of a directory, a page of so many entries at a time.</summary>
    public List<string> List(string path, int page = int.MaxValue, Action<List<string>>? betweenPages = null)
    {
        WindowsFile directory = Open(path);
        var names = new List<string>();
        string? marker = null;
        while (true)
        {
            int room = page;
            NtStatus status = Files.ReadDirectory(directory, marker, marker is not null, (name, in info) =>
            {
                if (room-- == 0)
                {
                    return false;
                }
                names.Add(name.ToString());
                return true;
            }, out bool isEnd);
            Assert.Equal(NtStatus.Success, status);
            if (isEnd)
            {
                Close(directory);
                return names;
            }
            marker = names[^1];
            Assert.True(names.Count < 1_000_000, "the listing does not end");
            betweenPages?.Invoke(names);
        }
    }

    /// <summary>Unmounts, and asserts that nothing is left open and e2fsck finds nothing.</summary>
    public void Finish()
    {
        Assert.Equal(0, Files.OpenFiles);
        Files.Dispose();
        Volume.Dispose();
        _isFinished = true;
        JudgeImage();
    }

    private void JudgeImage()
    {
        Shell.Require("e2fsck");
        string path = Path.GetTempFileName();
        try
        {
            using (FileStream stream = File.Create(path))
            {
                byte[] chunk = new byte[1 << 20];
                stream.SetLength(_device.Length);
                for (long at = 0; at < _device.Length; at += chunk.Length)
                {
                    _device.Read(chunk, at);
                    if (chunk.AsSpan().ContainsAnyExcept((byte)0))
                    {
                        stream.Position = at;
                        stream.Write(chunk);
                    }
                }
            }
            Shell.Result result = Shell.Run("e2fsck", ["-fn", path]);
            string questions = string.Join('\n', result.All.Split('\n').Where(line =>
                line.Contains('?', StringComparison.Ordinal) && !line.EndsWith("Optimize? no", StringComparison.Ordinal)));
            Assert.True(result.ExitCode == 0 && questions.Length == 0, $"e2fsck -fn: exit {result.ExitCode}\n{result.All}");
        }
        finally
        {
            File.Delete(path);
        }
    }

    public void Dispose()
    {
        if (!_isFinished)
        {
            Files.Dispose();
            Volume.Dispose();
        }
        _device.Dispose();
    }

    // The volume disposes its device; the memory is wanted afterwards.
    private sealed class Undisposed(MemoryDevice device) : IBlockDevice
    {
        public long Length => device.Length;
        public bool IsReadOnly => device.IsReadOnly;
        public int SectorSize => device.SectorSize;
        public void Read(Span<byte> buffer, long offset) => device.Read(buffer, offset);
        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => device.Write(buffer, offset, tag);
        public void Flush() => device.Flush();
        public void Discard(long offset, long length) => device.Discard(offset, length);
        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => device.WriteZeroes(offset, length, tag);
        public void Dispose()
        {
        }
    }
}
