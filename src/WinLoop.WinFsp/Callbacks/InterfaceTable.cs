using System.Runtime.CompilerServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>The table of callbacks that WinFsp gets: one for all mounts, never freed.</summary>
internal static unsafe class InterfaceTable
{
    /// <summary>The table.</summary>
    public static FileSystemInterface* Pointer { get; } = Build();

    private static FileSystemInterface* Build()
    {
        FileSystemInterface* table = (FileSystemInterface*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(InterfaceTable), sizeof(FileSystemInterface));
        *table = new FileSystemInterface
        {
            GetVolumeInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, VolumeInfo*, int>)&VolumeCallbacks.GetVolumeInfo,
            SetVolumeLabel = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, VolumeInfo*, int>)&VolumeCallbacks.SetVolumeLabel,
            DispatcherStopped = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, byte, void>)&VolumeCallbacks.DispatcherStopped,
            GetSecurityByName = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint*, byte*, nuint*, int>)&SecurityCallbacks.GetSecurityByName,
            GetSecurity = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, nuint*, int>)&SecurityCallbacks.GetSecurity,
            SetSecurity = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, byte*, int>)&SecurityCallbacks.SetSecurity,
            CreateEx = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, uint, byte*, ulong, byte*, uint, byte, nint*, OpenFileInfo*, int>)&OpenCallbacks.CreateEx,
            Open = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, nint*, OpenFileInfo*, int>)&OpenCallbacks.Open,
            OverwriteEx = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, byte, ulong, byte*, uint, WindowsFileInfo*, int>)&OpenCallbacks.OverwriteEx,
            Cleanup = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, uint, void>)&OpenCallbacks.Cleanup,
            Close = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, void>)&OpenCallbacks.Close,
            Read = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, ulong, uint, uint*, int>)&DataCallbacks.Read,
            Write = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, ulong, uint, byte, byte, uint*, WindowsFileInfo*, int>)&DataCallbacks.Write,
            Flush = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, WindowsFileInfo*, int>)&DataCallbacks.Flush,
            GetFileInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, WindowsFileInfo*, int>)&FileCallbacks.GetFileInfo,
            SetBasicInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, ulong, ulong, ulong, ulong, WindowsFileInfo*, int>)&FileCallbacks.SetBasicInfo,
            SetFileSize = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, ulong, byte, WindowsFileInfo*, int>)&FileCallbacks.SetFileSize,
            SetDelete = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte, int>)&FileCallbacks.SetDelete,
            Rename = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, char*, byte, int>)&FileCallbacks.Rename,
            GetEa = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, uint*, int>)&FileCallbacks.GetEa,
            SetEa = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, WindowsFileInfo*, int>)&FileCallbacks.SetEa,
            ReadDirectory = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, char*, byte*, uint, uint*, int>)&DirectoryCallbacks.ReadDirectory,
            GetDirInfoByName = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, DirInfo*, int>)&DirectoryCallbacks.GetDirInfoByName,
            GetStreamInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, uint*, int>)&DirectoryCallbacks.GetStreamInfo,
            ResolveReparsePoints = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, byte, IoStatusBlock*, byte*, nuint*, int>)&ReparseCallbacks.ResolveReparsePoints,
            GetReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte*, nuint*, int>)&ReparseCallbacks.GetReparsePoint,
            SetReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte*, nuint, int>)&ReparseCallbacks.SetReparsePoint,
            DeleteReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte*, nuint, int>)&ReparseCallbacks.DeleteReparsePoint,
            // Control stays empty: the volume does not announce DeviceControl.
        };
        return table;
    }
}
