using System.Runtime.InteropServices;
using Microsoft.Win32;

namespace WinLoop.Storage.Windows;

/// <summary>Disks and volumes by Win32.</summary>
internal sealed unsafe class WindowsDisks : IWindowsDisks
{
    private const string MemoryManagement = @"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management";
    private const int MaxName = 1024;
    private const int MaxExtents = 256;

    // NUMBER_OF_DISK_EXTENTS with its padding, and DISK_EXTENT: disk number with padding, start, length.
    private const int ExtentsHeader = 8;
    private const int ExtentSize = 24;

    /// <inheritdoc/>
    public IReadOnlyList<string> Volumes()
    {
        var list = new List<string>();
        char* name = stackalloc char[MaxName];
        nint find = Kernel32.FindFirstVolume(name, MaxName);
        if (find is -1 or 0)
        {
            return list;
        }

        try
        {
            do
            {
                list.Add(new string(name).TrimEnd('\\'));
            }
            while (Kernel32.FindNextVolume(find, name, MaxName) != 0);
        }
        finally
        {
            _ = Kernel32.FindVolumeClose(find);
        }

        return list;
    }

    /// <inheritdoc/>
    public IReadOnlyList<DiskExtent>? ExtentsOf(string volume)
    {
        using SafeWin32Handle? handle = TryOpen(volume, 0);
        if (handle is null)
        {
            return null;
        }

        byte[] answer = new byte[ExtentsHeader + (MaxExtents * ExtentSize)];
        fixed (byte* bytes = answer)
        {
            uint done;
            if (Kernel32.DeviceIoControl(handle.Value, Kernel32.IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, null, 0, bytes, (uint)answer.Length, &done, null) == 0)
            {
                return null;
            }

            int count = *(int*)bytes;
            if (count is < 1 or > MaxExtents || done < ExtentsHeader + (count * ExtentSize))
            {
                return null;
            }

            var list = new List<DiskExtent>(count);
            for (int i = 0; i < count; i++)
            {
                byte* extent = bytes + ExtentsHeader + (i * ExtentSize);
                list.Add(new DiskExtent(*(int*)extent, *(long*)(extent + 8), *(long*)(extent + 16)));
            }

            return list;
        }
    }

    /// <inheritdoc/>
    public string NameOf(string volume)
    {
        if (!volume.StartsWith(@"\\?\", StringComparison.Ordinal))
        {
            return volume.Replace(@"\\.\", "", StringComparison.Ordinal);
        }

        char* names = stackalloc char[MaxName];
        uint length;
        string first = Kernel32.GetVolumePathNames(volume + '\\', names, MaxName, &length) != 0 ? new string(names) : "";
        return first.Length > 0 ? first.TrimEnd('\\') : volume;
    }

    /// <inheritdoc/>
    public DiskExtent? DiskOf(string path)
    {
        using SafeWin32Handle? handle = TryOpen(path, Kernel32.GENERIC_READ);
        uint done;
        // STORAGE_DEVICE_NUMBER: type, number, partition (4 bytes each).
        int* number = stackalloc int[3];
        long length;
        return handle is not null &&
            Kernel32.DeviceIoControl(handle.Value, Kernel32.IOCTL_STORAGE_GET_DEVICE_NUMBER, null, 0, number, 12, &done, null) != 0 &&
            Kernel32.DeviceIoControl(handle.Value, Kernel32.IOCTL_DISK_GET_LENGTH_INFO, null, 0, &length, sizeof(long), &done, null) != 0
                ? new DiskExtent(number[1], 0, length)
                : null;
    }

    /// <inheritdoc/>
    public bool Exists(string path)
    {
        // Without access it opens for everybody.
        using SafeWin32Handle? handle = TryOpen(path, 0);
        return handle is not null || Marshal.GetLastPInvokeError() is not (Kernel32.ERROR_FILE_NOT_FOUND or Kernel32.ERROR_PATH_NOT_FOUND);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> SystemVolumes()
    {
        var list = new List<string> { VolumeOf(Environment.GetFolderPath(Environment.SpecialFolder.Windows)) };
        if (OperatingSystem.IsWindows())
        {
            using RegistryKey? key = Registry.LocalMachine.OpenSubKey(MemoryManagement);
            // Each "\??\C:\pagefile.sys", in the other value "C:\pagefile.sys 0 0"; "?:" leaves the choice to Windows.
            foreach (string value in new[] { "ExistingPageFiles", "PagingFiles" })
            {
                foreach (string file in key?.GetValue(value) as string[] ?? [])
                {
                    string path = file.Replace(@"\??\", "", StringComparison.Ordinal);
                    if (path.Length > 1 && path[1] == ':' && char.IsAsciiLetter(path[0]))
                    {
                        list.Add(VolumeOf(path));
                    }
                }
            }
        }

        return [.. list.Distinct(StringComparer.OrdinalIgnoreCase)];

        static string VolumeOf(string path) => @"\\.\" + path[..2];
    }

    /// <inheritdoc/>
    public IDisposable LockAndDismount(string volume)
    {
        SafeWin32Handle handle = TryOpen(volume, Kernel32.GENERIC_READ | Kernel32.GENERIC_WRITE)
            ?? throw WindowsErrors.Open(Marshal.GetLastPInvokeError(), volume, isReadOnly: false);
        uint done;
        if (Kernel32.DeviceIoControl(handle.Value, Kernel32.FSCTL_LOCK_VOLUME, null, 0, null, 0, &done, null) == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            handle.Dispose();
            // It says "access denied" when files are open.
            throw error == Kernel32.ERROR_ACCESS_DENIED
                ? new BlockDeviceException(BlockDeviceError.Busy, $"{volume} is in use")
                : WindowsErrors.Transfer(error, "locking", volume);
        }

        if (Kernel32.DeviceIoControl(handle.Value, Kernel32.FSCTL_DISMOUNT_VOLUME, null, 0, null, 0, &done, null) == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            handle.Dispose();
            throw WindowsErrors.Transfer(error, "dismounting", volume);
        }

        return handle; // closing it unlocks
    }

    private static SafeWin32Handle? TryOpen(string path, uint access)
    {
        nint handle = Kernel32.CreateFile(path, access, Kernel32.FILE_SHARE_READ | Kernel32.FILE_SHARE_WRITE, null, Kernel32.OPEN_EXISTING, 0, 0);
        return handle == -1 ? null : new SafeWin32Handle(handle);
    }
}
