using System.Runtime.InteropServices;

namespace WinLoop.Storage.Windows;

/// <summary>The Win32 calls of the loop device.</summary>
internal static unsafe partial class Kernel32
{
    internal const uint GENERIC_READ = 0x80000000;
    internal const uint GENERIC_WRITE = 0x40000000;
    internal const uint FILE_READ_ATTRIBUTES = 0x80;
    internal const uint FILE_SHARE_READ = 1;
    internal const uint FILE_SHARE_WRITE = 2;
    internal const uint FILE_SHARE_DELETE = 4;
    internal const uint OPEN_EXISTING = 3;
    internal const uint FILE_FLAG_OVERLAPPED = 0x40000000;
    internal const uint FILE_FLAG_BACKUP_SEMANTICS = 0x02000000;
    internal const uint FILE_ATTRIBUTE_SPARSE_FILE = 0x200;

    internal const int ERROR_FILE_NOT_FOUND = 2;
    internal const int ERROR_PATH_NOT_FOUND = 3;
    internal const int ERROR_ACCESS_DENIED = 5;
    internal const int ERROR_NOT_READY = 21;
    internal const int ERROR_WRITE_PROTECT = 19;
    internal const int ERROR_SHARING_VIOLATION = 32;
    internal const int ERROR_LOCK_VIOLATION = 33;
    internal const int ERROR_WRONG_DISK = 34;
    internal const int ERROR_NO_SUCH_DEVICE = 433;
    internal const int ERROR_MEDIA_CHANGED = 1110;
    internal const int ERROR_HANDLE_EOF = 38;
    internal const int ERROR_HANDLE_DISK_FULL = 39;
    internal const int ERROR_DEV_NOT_EXIST = 55;
    internal const int ERROR_DISK_FULL = 112;
    internal const int ERROR_INVALID_NAME = 123;
    internal const int ERROR_IO_PENDING = 997;
    internal const int ERROR_FILE_INVALID = 1006;
    internal const int ERROR_NO_MEDIA_IN_DRIVE = 1112;
    internal const int ERROR_DEVICE_NOT_CONNECTED = 1167;
    internal const int ERROR_NO_SYSTEM_RESOURCES = 1450;
    internal const int ERROR_DISK_QUOTA_EXCEEDED = 1295;
    internal const int ERROR_DEVICE_REMOVED = 1617;

    internal const uint FSCTL_LOCK_VOLUME = 0x00090018;
    internal const uint FSCTL_DISMOUNT_VOLUME = 0x00090020;
    internal const uint IOCTL_DISK_IS_WRITABLE = 0x00070024;
    internal const uint IOCTL_STORAGE_GET_DEVICE_NUMBER = 0x002D1080;
    internal const uint IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS = 0x00560000;
    internal const int ERROR_MORE_DATA = 234;
    internal const uint FSCTL_SET_SPARSE = 0x000900C4;
    internal const uint FSCTL_SET_ZERO_DATA = 0x000980C8;
    internal const uint FSCTL_QUERY_ALLOCATED_RANGES = 0x000940CF;
    internal const uint IOCTL_DISK_GET_LENGTH_INFO = 0x0007405C;
    internal const uint IOCTL_DISK_GET_DRIVE_GEOMETRY = 0x00070000;

    internal const int FileStandardInfo = 1;
    internal const int FileEndOfFileInfo = 6;
    internal const int FileIdInfo = 18;

    [LibraryImport("kernel32", EntryPoint = "CreateFileW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    internal static partial nint CreateFile(
        string name, uint access, uint share, void* security, uint disposition, uint flags, nint template);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int CloseHandle(nint handle);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int ReadFile(nint handle, byte* buffer, uint count, uint* done, Overlapped* overlapped);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int WriteFile(nint handle, byte* buffer, uint count, uint* done, Overlapped* overlapped);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int GetOverlappedResult(nint handle, Overlapped* overlapped, uint* done, int wait);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int FlushFileBuffers(nint handle);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int DeviceIoControl(
        nint handle, uint code, void* input, uint inputSize, void* output, uint outputSize, uint* done, Overlapped* overlapped);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int GetFileInformationByHandleEx(nint handle, int kind, void* result, uint size);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int SetFileInformationByHandle(nint handle, int kind, void* value, uint size);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int GetFileInformationByHandle(nint handle, ByHandleInformation* result);

    [LibraryImport("kernel32", EntryPoint = "FindFirstVolumeW", SetLastError = true)]
    internal static partial nint FindFirstVolume(char* name, uint size);

    [LibraryImport("kernel32", EntryPoint = "FindNextVolumeW", SetLastError = true)]
    internal static partial int FindNextVolume(nint find, char* name, uint size);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial int FindVolumeClose(nint find);

    [LibraryImport("kernel32", EntryPoint = "GetVolumePathNamesForVolumeNameW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    internal static partial int GetVolumePathNames(string volume, char* names, uint size, uint* length);

    [LibraryImport("kernel32", EntryPoint = "CreateEventW", SetLastError = true)]
    internal static partial nint CreateEvent(void* security, int manualReset, int initialState, char* name);

    /// <summary><c>OVERLAPPED</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Overlapped
    {
        internal nuint Internal;
        internal nuint InternalHigh;
        internal uint OffsetLow;
        internal uint OffsetHigh;
        internal nint Event;
    }

    /// <summary><c>FILE_STANDARD_INFO</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct StandardInformation
    {
        internal long AllocationSize;
        internal long EndOfFile;
        internal uint NumberOfLinks;
        internal byte DeletePending;
        internal byte Directory;
    }

    /// <summary><c>FILE_ID_INFO</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct IdInformation
    {
        internal ulong VolumeSerialNumber;
        internal ulong FileIdLow;
        internal ulong FileIdHigh;
    }

    /// <summary><c>BY_HANDLE_FILE_INFORMATION</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct ByHandleInformation
    {
        internal uint Attributes;
        internal uint CreationLow, CreationHigh;
        internal uint AccessLow, AccessHigh;
        internal uint WriteLow, WriteHigh;
        internal uint VolumeSerialNumber;
        internal uint SizeHigh, SizeLow;
        internal uint NumberOfLinks;
        internal uint IndexHigh, IndexLow;
    }
}
