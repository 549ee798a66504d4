using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks that move data.</summary>
internal static unsafe class DataCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Read(FileSystemHead* native, nint context, byte* buffer, ulong offset, uint length, uint* transferred)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            *transferred = 0;
            if (target?.Rent(WindowsOperation.Read, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Buffer = buffer;
            request.Length = Boundary.Length(length);
            request.Offset = offset;
            NtStatus status = target.Session.ExecuteOrDefer(request);
            if (status != NtStatus.Pending)
            {
                *transferred = (uint)request.Transferred;
                target.Session.Return(request);
            }
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Read, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Write(
        FileSystemHead* native, nint context, byte* buffer, ulong offset, uint length, byte toEnd, byte constrained,
        uint* transferred, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            *transferred = 0;
            if (target?.Rent(WindowsOperation.Write, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Buffer = buffer;
            request.Length = Boundary.Length(length);
            request.Offset = offset;
            request.Switch = toEnd != 0;
            request.Constrained = constrained != 0;
            NtStatus status = target.Session.ExecuteOrDefer(request);
            if (status != NtStatus.Pending)
            {
                *transferred = (uint)request.Transferred;
                *info = request.Info;
                target.Session.Return(request);
            }
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Write, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Flush(FileSystemHead* native, nint context, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            // No open: the volume.
            WindowsRequest? request = context == 0 ? target.Session.Rent(WindowsOperation.Flush) : target.Rent(WindowsOperation.Flush, context);
            if (request is null)
            {
                return Boundary.NoSuchOpen;
            }
            if (context != 0 && info != null)
            {
                return (int)target.Run(request, info);
            }
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Flush, e);
        }
    }
}
