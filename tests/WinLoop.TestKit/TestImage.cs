using WinLoop.Ext4;
using WinLoop.Storage;
using Xunit;

namespace WinLoop.TestKit;

/// <summary>An ext4 image file in a folder of its own, removed at the end of the test.</summary>
public sealed class TestImage : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-test-").FullName;

    private TestImage() => Path = System.IO.Path.Combine(_folder, "image.ext4");

    /// <summary>The image file.</summary>
    public string Path { get; }

    /// <summary>Makes an image with mkfs.ext4; skips the test where that is missing.</summary>
    /// <param name="megabytes">Size in MiB.</param>
    /// <param name="options">Further mkfs.ext4 options.</param>
    public static TestImage Make(int megabytes, string options = "")
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        var image = new TestImage();
        Shell.Script($"truncate -s {megabytes}M {image.Path}; mkfs.ext4 -q -F {options} {image.Path}");
        return image;
    }

    /// <summary>A copy of the file as it is now.</summary>
    public TestImage Copy()
    {
        var copy = new TestImage();
        Shell.Script($"cp --sparse=always {Path} {copy.Path}");
        return copy;
    }

    /// <summary>Mounts with the engine, straight on the file.</summary>
    public Ext4Volume Mount(Ext4MountOptions? options = null)
    {
        options ??= new Ext4MountOptions();
        return Ext4Volume.Mount(new FileDevice(Path, options.IsReadOnly), options);
    }

    /// <summary>The image file as a device, for tests that put something between it and the engine.</summary>
    public IBlockDevice OpenDevice(bool isReadOnly = false) => new FileDevice(Path, isReadOnly);

    /// <summary>Asserts that e2fsck finds nothing and asks nothing, and that no recovery is needed.</summary>
    public void AssertClean()
    {
        Shell.Result result = Shell.Run("e2fsck", ["-fn", Path]);
        // An extent tree with room to spare is no fault; the kernel leaves them too.
        string questions = string.Join('\n', result.All.Split('\n').Where(line =>
            line.Contains('?', StringComparison.Ordinal) && !line.EndsWith("Optimize? no", StringComparison.Ordinal)));
        Assert.True(result.ExitCode == 0 && questions.Length == 0, $"e2fsck -fn: exit {result.ExitCode}\n{result.All}");
        string features = Shell.Run("dumpe2fs", ["-h", Path]).Output;
        Assert.DoesNotContain("needs_recovery", features, StringComparison.Ordinal);
    }

    /// <summary>Runs a script with the image mounted by the kernel; <c>$M</c> is the mount point.</summary>
    public string WithKernel(string script, string options = "loop")
    {
        Shell.RequireLoopMounts();
        string mountPoint = System.IO.Path.Combine(_folder, "kernel");
        Directory.CreateDirectory(mountPoint);
        Shell.Script($"mount -o {options} {Path} {mountPoint}");
        try
        {
            return Shell.Script($"M={mountPoint}\n{script}");
        }
        finally
        {
            Shell.Script($"umount {mountPoint}");
        }
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (IOException)
        {
            // A test that failed while mounted leaves its folder behind.
        }
    }

    // A plain file as a device; the tests of the engine do not depend on the loop device's own.
    private sealed class FileDevice(string path, bool isReadOnly) : IBlockDevice
    {
        private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _handle =
            File.OpenHandle(path, System.IO.FileMode.Open, isReadOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite);

        public long Length { get; } = new FileInfo(path).Length;
        public bool IsReadOnly => isReadOnly;
        public int SectorSize => 512;

        public void Read(Span<byte> buffer, long offset)
        {
            while (!buffer.IsEmpty)
            {
                int count = RandomAccess.Read(_handle, buffer, offset);
                if (count == 0)
                {
                    throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"read at {offset} past the end");
                }
                buffer = buffer[count..];
                offset += count;
            }
        }

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
        {
            if (isReadOnly || offset + buffer.Length > Length)
            {
                throw new BlockDeviceException(isReadOnly ? BlockDeviceError.ReadOnly : BlockDeviceError.OutOfRange, $"write at {offset}");
            }
            RandomAccess.Write(_handle, buffer, offset);
        }

        public void Flush() => RandomAccess.FlushToDisk(_handle);

        public void Discard(long offset, long length)
        {
        }

        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
        {
            Span<byte> zeroes = new byte[Math.Min(length, 1 << 20)];
            for (; length > 0; offset += zeroes.Length, length -= zeroes.Length)
            {
                Write(zeroes[..(int)Math.Min(length, zeroes.Length)], offset, tag);
            }
        }

        public void Dispose() => _handle.Dispose();
    }
}
