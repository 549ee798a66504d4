using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace WinLoop.WinFsp.Hosting;

/// <summary>Flushes through a handle of the root directory: the driver takes that for a flush of the volume, and
/// unlike one through a handle of the volume it needs no administrator.</summary>
[SupportedOSPlatform("windows")]
internal sealed partial class RootDirectoryFlusher : IVolumeFlusher
{
    private const uint GenericWrite = 0x40000000;
    private const uint ShareAll = 7;
    private const uint OpenExisting = 3;
    private const uint BackupSemantics = 0x02000000;    // needed to open a directory

    public void FlushVolume(string mountPoint)
    {
        using SafeFileHandle root = CreateFile(RootPath(mountPoint), GenericWrite, ShareAll, 0, OpenExisting, BackupSemantics, 0);
        if (root.IsInvalid || !FlushFileBuffers(root))
        {
            int error = Marshal.GetLastPInvokeError();
            throw new IOException($"{mountPoint} cannot be flushed: {new Win32Exception(error).Message}");
        }
    }

    internal static string RootPath(string mountPoint) => mountPoint.TrimEnd('\\') + '\\';

    [LibraryImport("kernel32", EntryPoint = "CreateFileW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial SafeFileHandle CreateFile(
        string name, uint access, uint share, nint security, uint disposition, uint flags, nint template);

    [LibraryImport("kernel32", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool FlushFileBuffers(SafeFileHandle file);
}
