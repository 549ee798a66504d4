using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks about links and special files.</summary>
internal static unsafe class ReparseCallbacks
{
    // WinFsp's own helper walks the path and its links; it asks back for each component.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int ResolveReparsePoints(
        FileSystemHead* native, char* path, uint index, byte resolveLast, IoStatusBlock* ioStatus, byte* buffer, nuint* size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            return target is null ? Boundary.NotOurs : (int)target.Exports.ResolveReparsePoints(
                native, (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte, byte*, nuint*, int>)&GetReparsePointByName,
                0, path, index, resolveLast, ioStatus, buffer, size);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetReparsePointByName, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetReparsePoint(FileSystemHead* native, nint context, char* path, byte* buffer, nuint* size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            return target?.Rent(WindowsOperation.GetReparsePoint, context) is { } request
                ? RunInto(target, request, buffer, size) : Boundary.NoSuchOpen;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetReparsePoint, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetReparsePoint(FileSystemHead* native, nint context, char* path, byte* data, nuint size) =>
        Change(WindowsOperation.SetReparsePoint, native, context, path, data, size);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int DeleteReparsePoint(FileSystemHead* native, nint context, char* path, byte* data, nuint size) =>
        Change(WindowsOperation.DeleteReparsePoint, native, context, path, data, size);

    // Called by the helper, with its own copy of a part of the path. A null buffer: is it a link at all?
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetReparsePointByName(FileSystemHead* native, nint context, char* path, byte isDirectory, byte* buffer, nuint* size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.GetReparsePointByName);
            request.SetPath(path);
            if (buffer != null && size != null)
            {
                return RunInto(target, request, buffer, size);
            }
            byte* scratch = stackalloc byte[ReparseLimits.MaxData];
            request.Buffer = scratch;
            request.Length = ReparseLimits.MaxData;
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetReparsePointByName, e);
        }
    }

    private static int Change(WindowsOperation operation, FileSystemHead* native, nint context, char* path, byte* data, nuint size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(operation, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.SetPath(path);
            request.Buffer = data;
            request.Length = Boundary.Length(size);
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, operation, e);
        }
    }

    private static int RunInto(CallbackTarget target, WindowsRequest request, byte* buffer, nuint* size)
    {
        request.Buffer = buffer;
        request.Length = buffer == null || size == null ? 0 : Boundary.Length(*size);
        NtStatus status = target.Session.Execute(request);
        if (status.IsSuccess() && size != null)
        {
            *size = (nuint)request.Transferred;
        }
        target.Session.Return(request);
        return (int)status;
    }
}
