using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.AccessControl;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace Fsp;

// What is done with open files, and the table.
internal static unsafe partial class StubCallbacks
{
    internal static FileSystemInterface* Table { get; } = Build();

    private static FileSystemInterface* Build()
    {
        FileSystemInterface* table = (FileSystemInterface*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(StubCallbacks), sizeof(FileSystemInterface));
        *table = new FileSystemInterface
        {
            GetVolumeInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, Interop.VolumeInfo*, int>)&GetVolumeInfo,
            SetVolumeLabel = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, Interop.VolumeInfo*, int>)&SetVolumeLabel,
            GetSecurityByName = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint*, byte*, nuint*, int>)&GetSecurityByName,
            CreateEx = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, uint, byte*, ulong, byte*, uint, byte, FullContext*, OpenFileInfo*, int>)&CreateEx,
            Open = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, FullContext*, OpenFileInfo*, int>)&Open,
            OverwriteEx = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, uint, byte, ulong, byte*, uint, Interop.FileInfo*, int>)&OverwriteEx,
            Cleanup = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, uint, void>)&Cleanup,
            Close = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, void>)&Close,
            Read = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, ulong, uint, uint*, int>)&Read,
            Write = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, ulong, uint, byte, byte, uint*, Interop.FileInfo*, int>)&Write,
            Flush = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, Interop.FileInfo*, int>)&Flush,
            GetFileInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, Interop.FileInfo*, int>)&GetFileInfo,
            SetBasicInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, uint, ulong, ulong, ulong, ulong, Interop.FileInfo*, int>)&SetBasicInfo,
            SetFileSize = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, ulong, byte, Interop.FileInfo*, int>)&SetFileSize,
            Rename = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, char*, byte, int>)&Rename,
            GetSecurity = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, nuint*, int>)&GetSecurity,
            SetSecurity = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, uint, byte*, int>)&SetSecurity,
            ReadDirectory = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, char*, byte*, uint, uint*, int>)&ReadDirectory,
            ResolveReparsePoints = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, byte, Interop.IoStatusBlock*, byte*, nuint*, int>)&ResolveReparsePoints,
            GetReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, byte*, nuint*, int>)&GetReparsePoint,
            SetReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, byte*, nuint, int>)&SetReparsePoint,
            DeleteReparsePoint = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, byte*, nuint, int>)&DeleteReparsePoint,
            GetStreamInfo = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, uint, uint*, int>)&GetStreamInfo,
            GetDirInfoByName = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, DirInfo*, int>)&GetDirInfoByName,
            SetDelete = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, char*, byte, int>)&SetDelete,
            GetEa = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, uint, uint*, int>)&GetEa,
            SetEa = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, FullContext*, byte*, uint, Interop.FileInfo*, int>)&SetEa,
        };
        return table;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetFileInfo(FileSystemHead* native, FullContext* context, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.GetFileInfo(o.Node, o.Desc, out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetBasicInfo(
        FileSystemHead* native, FullContext* context, uint attributes, ulong creation, ulong access, ulong write, ulong change, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.SetBasicInfo(o.Node, o.Desc, attributes, creation, access, write, change, out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetFileSize(FileSystemHead* native, FullContext* context, ulong size, byte isAllocationSize, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.SetFileSize(o.Node, o.Desc, size, isAllocationSize != 0, out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetDelete(FileSystemHead* native, FullContext* context, char* path, byte delete)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.SetDelete(o.Node, o.Desc, Text(path), delete != 0);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Rename(FileSystemHead* native, FullContext* context, char* path, char* newPath, byte replace)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.Rename(o.Node, o.Desc, Text(path), Text(newPath), replace != 0);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetSecurity(FileSystemHead* native, FullContext* context, byte* buffer, nuint* size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            byte[] descriptor = [];
            int status = fs.GetSecurity(o.Node, o.Desc, ref descriptor);
            return status < 0 ? status : CopyDescriptor(descriptor, buffer, size);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetSecurity(FileSystemHead* native, FullContext* context, uint information, byte* modification)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            // The bits of the enumeration by number: its names are for Windows only. All others get lost, as in the package.
            int sections = ((information & 1) != 0 ? 4 : 0) | ((information & 2) != 0 ? 8 : 0)
                | ((information & 4) != 0 ? 2 : 0) | ((information & 8) != 0 ? 1 : 0);
            return fs.SetSecurity(o.Node, o.Desc, (AccessControlSections)sections, Descriptor(modification));
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int ReadDirectory(
        FileSystemHead* native, FullContext* context, char* pattern, char* marker, byte* buffer, uint length, uint* transferred)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.ReadDirectory(o.Node, o.Desc, Text(pattern), Text(marker), (nint)buffer, length, out *transferred);
        }
        catch (Exception e)
        {
            *transferred = 0;
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int ResolveReparsePoints(
        FileSystemHead* native, char* path, uint index, byte resolveLast, Interop.IoStatusBlock* ioStatus, byte* buffer, nuint* size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            return fs.ResolveReparsePoints(Text(path), index, resolveLast != 0, out *ioStatus, (nint)buffer, (nint)size);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetReparsePoint(FileSystemHead* native, FullContext* context, char* path, byte* buffer, nuint* size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            byte[] data = null;
            int status = fs.GetReparsePoint(o.Node, o.Desc, Text(path), ref data);
            return status < 0 ? status : FileSystemBase.CopyReparsePoint(data, buffer, size);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetReparsePoint(FileSystemHead* native, FullContext* context, char* path, byte* data, nuint size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.SetReparsePoint(o.Node, o.Desc, Text(path), data == null ? null : new Span<byte>(data, (int)size).ToArray());
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int DeleteReparsePoint(FileSystemHead* native, FullContext* context, char* path, byte* data, nuint size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.DeleteReparsePoint(o.Node, o.Desc, Text(path), data == null ? null : new Span<byte>(data, (int)size).ToArray());
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetStreamInfo(FileSystemHead* native, FullContext* context, byte* buffer, uint length, uint* transferred)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.GetStreamInfo(o.Node, o.Desc, (nint)buffer, length, out *transferred);
        }
        catch (Exception e)
        {
            *transferred = 0;
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetDirInfoByName(FileSystemHead* native, FullContext* context, char* name, DirInfo* entry)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            int status = fs.GetDirInfoByName(o.Node, o.Desc, Text(name), out string actual, out Interop.FileInfo info);
            WinLoop.WinFsp.Requests.DirectoryFiller.Write(entry, actual, *(WindowsFileInfo*)&info);
            return status;
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetEa(FileSystemHead* native, FullContext* context, byte* ea, uint length, uint* transferred)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.GetEa(o.Node, o.Desc, (nint)ea, length, out *transferred);
        }
        catch (Exception e)
        {
            *transferred = 0;
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetEa(FileSystemHead* native, FullContext* context, byte* ea, uint length, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.SetEa(o.Node, o.Desc, (nint)ea, length, out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }
}
