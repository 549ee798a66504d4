using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks about an open file's attributes, size, name and extended attributes.</summary>
internal static unsafe class FileCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetFileInfo(FileSystemHead* native, nint context, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            return target?.Rent(WindowsOperation.GetFileInfo, context) is { } request
                ? (int)target.Run(request, info) : Boundary.NoSuchOpen;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetFileInfo, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetBasicInfo(
        FileSystemHead* native, nint context, uint attributes, ulong creationTime, ulong lastAccessTime, ulong lastWriteTime,
        ulong changeTime, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.SetBasicInfo, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Attributes = attributes;
            request.CreationTime = creationTime;
            request.LastAccessTime = lastAccessTime;
            request.LastWriteTime = lastWriteTime;
            request.ChangeTime = changeTime;
            return (int)target.Run(request, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetBasicInfo, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetFileSize(FileSystemHead* native, nint context, ulong size, byte isAllocationSize, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.SetFileSize, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Offset = size;
            request.Switch = isAllocationSize != 0;
            return (int)target.Run(request, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetFileSize, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetDelete(FileSystemHead* native, nint context, char* path, byte delete)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.SetDelete, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.SetPath(path);
            request.Switch = delete != 0;
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetDelete, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Rename(FileSystemHead* native, nint context, char* path, char* newPath, byte replace)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.Rename, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.SetPath(path);
            request.SetNewPath(newPath);
            request.Switch = replace != 0;
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Rename, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetEa(FileSystemHead* native, nint context, byte* buffer, uint length, uint* transferred)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            *transferred = 0;
            if (target?.Rent(WindowsOperation.GetEa, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Buffer = buffer;
            request.Length = Boundary.Length(length);
            NtStatus status = target.Session.Execute(request);
            *transferred = status.IsSuccess() ? (uint)request.Transferred : 0;
            target.Session.Return(request);
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetEa, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetEa(FileSystemHead* native, nint context, byte* list, uint length, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.SetEa, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Buffer = list;
            request.Length = Boundary.Length(length);
            return (int)target.Run(request, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetEa, e);
        }
    }
}
