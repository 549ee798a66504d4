using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WinLoop.Service.Windows;

/// <summary>The calls of Windows that pipes, tokens and files need.</summary>
internal static unsafe partial class Win32
{
    internal const uint GenericRead = 0x80000000, GenericWrite = 0x40000000, FileShareRead = 1, OpenExisting = 3;
    internal const uint FlagOverlapped = 0x40000000, FlagOpenReparsePoint = 0x00200000;
    // Whoever is behind a path may learn who we are, and not act as us.
    internal const uint SqosIdentification = 0x00100000 | 0x00010000;
    internal const uint FileTypeDisk = 1;
    internal const int FileNotFound = 2, AccessDenied = 5, SharingViolation = 32, WriteProtect = 19;
    internal const uint TokenQuery = 8, ProcessQueryLimited = 0x1000;
    internal const int TokenUser = 1, TokenPrimaryGroup = 5;

    [LibraryImport("kernel32", EntryPoint = "CreateFileW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    internal static partial nint CreateFile(string name, uint access, uint share, nint security, uint disposition, uint flags, nint template);

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial uint GetFileType(SafeFileHandle file);

    [LibraryImport("kernel32", EntryPoint = "GetFinalPathNameByHandleW", SetLastError = true)]
    internal static partial uint GetFinalPathName(SafeFileHandle file, char* path, uint length, uint flags);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool GetNamedPipeClientProcessId(SafePipeHandle pipe, out uint id);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool GetNamedPipeServerProcessId(SafePipeHandle pipe, out uint id);

    [LibraryImport("kernel32", EntryPoint = "WaitNamedPipeW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool WaitNamedPipe(string name, uint milliseconds);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool ImpersonateNamedPipeClient(SafePipeHandle pipe);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool RevertToSelf();

    [LibraryImport("kernel32", SetLastError = true)]
    internal static partial nint OpenProcess(uint access, int inherit, uint id);

    [LibraryImport("kernel32")]
    internal static partial nint GetCurrentThread();

    [LibraryImport("kernel32")]
    internal static partial nint GetCurrentProcess();

    [LibraryImport("kernel32")]
    internal static partial int CloseHandle(nint handle);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool OpenThreadToken(nint thread, uint access, int asSelf, out nint token);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool OpenProcessToken(nint process, uint access, out nint token);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool GetTokenInformation(nint token, int kind, byte* buffer, uint length, out uint needed);

    [LibraryImport("advapi32")]
    internal static partial uint GetLengthSid(byte* sid);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool CheckTokenMembership(nint token, byte* sid, out int isMember);

    /// <summary>An error of the last call.</summary>
    internal static IOException Failure(string what) => new($"{what} failed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message.TrimEnd('.')}");
}
