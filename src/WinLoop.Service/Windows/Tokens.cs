using System.Runtime.Versioning;
using System.Security.Principal;
using WinLoop.Mounting.Windows;

namespace WinLoop.Service.Windows;

/// <summary>Who a token stands for.</summary>
[SupportedOSPlatform("windows")]
internal static unsafe class Tokens
{
    // TOKEN_USER and TOKEN_PRIMARY_GROUP: a pointer, attributes, and a SID of 68 bytes at most.
    private const int BufferSize = 256;

    /// <summary>The user this thread impersonates.</summary>
    /// <exception cref="IOException">It impersonates nobody, or nobody in particular.</exception>
    internal static ServiceUser OfThread()
    {
        // As the service: the client may not be allowed to open its own impersonation token.
        if (!Win32.OpenThreadToken(Win32.GetCurrentThread(), Win32.TokenQuery, asSelf: 1, out nint token))
        {
            throw Win32.Failure("asking who the client is");
        }
        try
        {
            byte[] user = Read(token, Win32.TokenUser), group = Read(token, Win32.TokenPrimaryGroup);
            return new ServiceUser
            {
                Id = ToText(user),
                IsAdministrator = user.AsSpan().SequenceEqual(Sid.LocalSystem) || IsMember(token, Sid.Administrators),
                Sid = user,
                GroupSid = group,
            };
        }
        finally
        {
            Win32.CloseHandle(token);
        }
    }

    /// <summary>The SID of a process's user as text; null if the system does not say.</summary>
    internal static string? UserOfProcess(uint id)
    {
        nint process = Win32.OpenProcess(Win32.ProcessQueryLimited, 0, id);
        if (process == 0)
        {
            return null;
        }
        nint token = 0;
        try
        {
            return Win32.OpenProcessToken(process, Win32.TokenQuery, out token) ? ToText(Read(token, Win32.TokenUser)) : null;
        }
        finally
        {
            if (token != 0)
            {
                Win32.CloseHandle(token);
            }
            Win32.CloseHandle(process);
        }
    }

    /// <summary><c>S-1-5-...</c></summary>
    internal static string ToText(byte[] sid) => new SecurityIdentifier(sid, 0).Value;

    // An administrator who is not elevated has the group for refusing only, and does not count.
    private static bool IsMember(nint token, byte[] group)
    {
        fixed (byte* sid = group)
        {
            return Win32.CheckTokenMembership(token, sid, out int isMember) && isMember != 0;
        }
    }

    private static byte[] Read(nint token, int kind)
    {
        byte* buffer = stackalloc byte[BufferSize];
        if (!Win32.GetTokenInformation(token, kind, buffer, BufferSize, out uint _))
        {
            throw Win32.Failure("reading a token");
        }
        byte* sid = *(byte**)buffer;
        return new ReadOnlySpan<byte>(sid, (int)Win32.GetLengthSid(sid)).ToArray();
    }
}
