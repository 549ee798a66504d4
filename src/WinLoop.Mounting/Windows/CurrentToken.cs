using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WinLoop.Mounting.Windows;

/// <summary>Who this process runs as, as binary SIDs.</summary>
[SupportedOSPlatform("windows")]
public static unsafe partial class CurrentToken
{
    private const uint TokenQuery = 8;
    private const int TokenUser = 1, TokenPrimaryGroup = 5;
    // A SID has at most 68 bytes; the structures around it are smaller than the rest.
    private const int BufferSize = 256;

    /// <summary>The user and the primary group of the process's token.</summary>
    /// <exception cref="IOException">Windows does not say.</exception>
    public static (byte[] User, byte[] Group) Read()
    {
        if (!OpenProcessToken(GetCurrentProcess(), TokenQuery, out nint token))
        {
            throw Failure();
        }
        try
        {
            return (ReadSid(token, TokenUser), ReadSid(token, TokenPrimaryGroup));
        }
        finally
        {
            CloseHandle(token);
        }
    }

    // TOKEN_USER and TOKEN_PRIMARY_GROUP both begin with a pointer to the SID.
    private static byte[] ReadSid(nint token, int kind)
    {
        byte* buffer = stackalloc byte[BufferSize];
        if (!GetTokenInformation(token, kind, buffer, BufferSize, out uint _))
        {
            throw Failure();
        }
        byte* sid = *(byte**)buffer;
        return new ReadOnlySpan<byte>(sid, (int)GetLengthSid(sid)).ToArray();
    }

    private static IOException Failure() =>
        new($"The user of this process cannot be read (error {Marshal.GetLastPInvokeError()}).");

    [LibraryImport("kernel32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial nint GetCurrentProcess();

    [LibraryImport("kernel32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int CloseHandle(nint handle);

    [LibraryImport("advapi32", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool OpenProcessToken(nint process, uint access, out nint token);

    [LibraryImport("advapi32", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetTokenInformation(nint token, int kind, byte* buffer, uint length, out uint needed);

    [LibraryImport("advapi32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial uint GetLengthSid(byte* sid);
}
