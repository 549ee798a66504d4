using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Tests.Doubles;

/// <summary>What a host has announced, and what it has answered later.</summary>
internal sealed unsafe class VolumeDouble(FileSystemHead* native, VolumeParams parameters, FileSystemInterface table, string device) : IDisposable
{
    public FileSystemHead* Native { get; } = native;
    public VolumeParams Parameters { get; } = parameters;
    public FileSystemInterface Table { get; } = table;
    public string Device { get; } = device;
    public string? MountPoint { get; private set; }
    public char* MountPointPointer { get; private set; }
    public bool IsRunning { get; set; }
    public bool IsGuardOff { get; set; }
    public BlockingCollection<TransactResponse> Responses { get; } = [];

    /// <summary>File contexts are pointers to both numbers, as the package has it.</summary>
    public bool HasFullContext => (Parameters.Flags & VolumeFlags.UmFileContextIsFullContext) != 0;

    public void SetMountPoint(string name)
    {
        MountPoint = name;
        MountPointPointer = (char*)Marshal.StringToCoTaskMemUni(name);
    }

    public void Dispose() => Marshal.FreeCoTaskMem((nint)MountPointPointer);
}
