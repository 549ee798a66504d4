using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.AccessControl;
using Fsp.Interop;
using WinLoop.WinFsp.Binding.Abi;
using IoStatusBlock = Fsp.Interop.IoStatusBlock;
using VolumeInfo = Fsp.Interop.VolumeInfo;

namespace Fsp;

/// <summary>What a file system overrides; everything not overridden is refused.</summary>
public unsafe partial class FileSystemBase
{
    private const int InvalidDeviceRequest = unchecked((int)0xC0000010);
    private const int UnexpectedIoError = unchecked((int)0xC00000E9);
    private const int BufferTooSmall = unchecked((int)0xC0000023);

    public virtual int ExceptionHandler(Exception ex) => UnexpectedIoError;

    public virtual int Init(object Host) => 0;

    public virtual int Mounted(object Host) => 0;

    public virtual void Unmounted(object Host)
    {
    }

    public virtual int GetVolumeInfo(out VolumeInfo VolumeInfo)
    {
        VolumeInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int SetVolumeLabel(string VolumeLabel, out VolumeInfo VolumeInfo)
    {
        VolumeInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int GetSecurityByName(string FileName, out uint FileAttributes, ref byte[] SecurityDescriptor)
    {
        FileAttributes = 0;
        return InvalidDeviceRequest;
    }

    public virtual int Create(
        string FileName, uint CreateOptions, uint GrantedAccess, uint FileAttributes, byte[] SecurityDescriptor, ulong AllocationSize,
        out object FileNode, out object FileDesc, out Interop.FileInfo FileInfo, out string NormalizedName)
    {
        (FileNode, FileDesc, FileInfo, NormalizedName) = (null, null, default, null);
        return InvalidDeviceRequest;
    }

    public virtual int CreateEx(
        string FileName, uint CreateOptions, uint GrantedAccess, uint FileAttributes, byte[] SecurityDescriptor, ulong AllocationSize,
        IntPtr ExtraBuffer, uint ExtraLength, bool ExtraBufferIsReparsePoint,
        out object FileNode, out object FileDesc, out Interop.FileInfo FileInfo, out string NormalizedName) =>
        Create(FileName, CreateOptions, GrantedAccess, FileAttributes, SecurityDescriptor, AllocationSize,
            out FileNode, out FileDesc, out FileInfo, out NormalizedName);

    public virtual int Open(
        string FileName, uint CreateOptions, uint GrantedAccess,
        out object FileNode, out object FileDesc, out Interop.FileInfo FileInfo, out string NormalizedName)
    {
        (FileNode, FileDesc, FileInfo, NormalizedName) = (null, null, default, null);
        return InvalidDeviceRequest;
    }

    public virtual int Overwrite(
        object FileNode, object FileDesc, uint FileAttributes, bool ReplaceFileAttributes, ulong AllocationSize, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int OverwriteEx(
        object FileNode, object FileDesc, uint FileAttributes, bool ReplaceFileAttributes, ulong AllocationSize,
        IntPtr Ea, uint EaLength, out Interop.FileInfo FileInfo) =>
        Overwrite(FileNode, FileDesc, FileAttributes, ReplaceFileAttributes, AllocationSize, out FileInfo);

    public virtual void Cleanup(object FileNode, object FileDesc, string FileName, uint Flags)
    {
    }

    public virtual void Close(object FileNode, object FileDesc)
    {
    }

    public virtual int Read(object FileNode, object FileDesc, IntPtr Buffer, ulong Offset, uint Length, out uint BytesTransferred)
    {
        BytesTransferred = 0;
        return InvalidDeviceRequest;
    }

    public virtual int Write(
        object FileNode, object FileDesc, IntPtr Buffer, ulong Offset, uint Length, bool WriteToEndOfFile, bool ConstrainedIo,
        out uint BytesTransferred, out Interop.FileInfo FileInfo)
    {
        (BytesTransferred, FileInfo) = (0, default);
        return InvalidDeviceRequest;
    }

    public virtual int Flush(object FileNode, object FileDesc, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int GetFileInfo(object FileNode, object FileDesc, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int SetBasicInfo(
        object FileNode, object FileDesc, uint FileAttributes, ulong CreationTime, ulong LastAccessTime, ulong LastWriteTime,
        ulong ChangeTime, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int SetFileSize(object FileNode, object FileDesc, ulong NewSize, bool SetAllocationSize, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int CanDelete(object FileNode, object FileDesc, string FileName) => InvalidDeviceRequest;

    public virtual int SetDelete(object FileNode, object FileDesc, string FileName, bool DeleteFile) =>
        DeleteFile ? CanDelete(FileNode, FileDesc, FileName) : 0;

    public virtual int Rename(object FileNode, object FileDesc, string FileName, string NewFileName, bool ReplaceIfExists) => InvalidDeviceRequest;

    public virtual int GetSecurity(object FileNode, object FileDesc, ref byte[] SecurityDescriptor) => InvalidDeviceRequest;

    public virtual int SetSecurity(object FileNode, object FileDesc, AccessControlSections Sections, byte[] SecurityDescriptor) =>
        InvalidDeviceRequest;

    // The package's default goes through ReadDirectoryEntry, which nothing here uses.
    public virtual int ReadDirectory(
        object FileNode, object FileDesc, string Pattern, string Marker, IntPtr Buffer, uint Length, out uint BytesTransferred)
    {
        BytesTransferred = 0;
        return InvalidDeviceRequest;
    }

    public virtual int GetReparsePointByName(string FileName, bool IsDirectory, ref byte[] ReparseData) => InvalidDeviceRequest;

    public virtual int GetReparsePoint(object FileNode, object FileDesc, string FileName, ref byte[] ReparseData) => InvalidDeviceRequest;

    public virtual int SetReparsePoint(object FileNode, object FileDesc, string FileName, byte[] ReparseData) => InvalidDeviceRequest;

    public virtual int DeleteReparsePoint(object FileNode, object FileDesc, string FileName, byte[] ReparseData) => InvalidDeviceRequest;

    public virtual int GetStreamInfo(object FileNode, object FileDesc, IntPtr Buffer, uint Length, out uint BytesTransferred)
    {
        BytesTransferred = 0;
        return InvalidDeviceRequest;
    }

    public virtual int GetDirInfoByName(
        object FileNode, object FileDesc, string FileName, out string NormalizedName, out Interop.FileInfo FileInfo)
    {
        (NormalizedName, FileInfo) = (null, default);
        return InvalidDeviceRequest;
    }

    public virtual int GetEa(object FileNode, object FileDesc, IntPtr Ea, uint EaLength, out uint BytesTransferred)
    {
        BytesTransferred = 0;
        return InvalidDeviceRequest;
    }

    public virtual int SetEa(object FileNode, object FileDesc, IntPtr Ea, uint EaLength, out Interop.FileInfo FileInfo)
    {
        FileInfo = default;
        return InvalidDeviceRequest;
    }

    public virtual int ResolveReparsePoints(
        string FileName, uint ReparsePointIndex, bool ResolveLastPathComponent, out IoStatusBlock IoStatus, IntPtr Buffer, IntPtr PSize)
    {
        GCHandle self = GCHandle.Alloc(this);
        try
        {
            fixed (char* name = FileName)
            {
                fixed (IoStatusBlock* status = &IoStatus)
                {
                    return (int)StubLibrary.Exports.ResolveReparsePoints(
                        null, (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte, byte*, nuint*, int>)&OnReparsePointByName,
                        GCHandle.ToIntPtr(self), name, ReparsePointIndex, ResolveLastPathComponent ? (byte)1 : (byte)0,
                        (WinLoop.WinFsp.Binding.Abi.IoStatusBlock*)status, (byte*)Buffer, (nuint*)PSize);
                }
            }
        }
        finally
        {
            self.Free();
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnReparsePointByName(FileSystemHead* native, nint context, char* path, byte isDirectory, byte* buffer, nuint* size)
    {
        FileSystemBase self = (FileSystemBase)GCHandle.FromIntPtr(context).Target;
        try
        {
            byte[] data = null;
            int status = self.GetReparsePointByName(new string(path), isDirectory != 0, ref data);
            return status < 0 ? status : CopyReparsePoint(data, buffer, size);
        }
        catch (Exception e)
        {
            return self.ExceptionHandler(e);
        }
    }

    internal static int CopyReparsePoint(byte[] data, byte* buffer, nuint* size)
    {
        if (buffer == null)
        {
            return 0;
        }
        int length = data?.Length ?? 0;
        if ((nuint)length > *size)
        {
            return BufferTooSmall;
        }
        *size = (nuint)length;
        data.AsSpan().CopyTo(new Span<byte>(buffer, length));
        return 0;
    }
}
