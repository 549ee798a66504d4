using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks that list.</summary>
internal static unsafe class DirectoryCallbacks
{
    // The pattern is for file systems that can use it; the driver filters anyway.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int ReadDirectory(FileSystemHead* native, nint context, char* pattern, char* marker, byte* buffer, uint length, uint* transferred)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            *transferred = 0;
            if (target?.Rent(WindowsOperation.ReadDirectory, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.SetPath(marker);
            request.Switch = marker != null;
            request.Buffer = buffer;
            request.Length = Boundary.Length(length);
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
            return Boundary.Unexpected(target, WindowsOperation.ReadDirectory, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetDirInfoByName(FileSystemHead* native, nint context, char* name, DirInfo* entry)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.GetDirInfoByName, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.SetPath(name);
            // The name goes where it stays: the driver's buffer has room for the longest one behind the header.
            request.Name = (char*)((byte*)entry + DirInfo.HeaderSize);
            request.NameCapacity = DirInfo.MaxName;
            NtStatus status = target.Session.Execute(request);
            if (status.IsSuccess())
            {
                *entry = new DirInfo { Size = (ushort)(DirInfo.HeaderSize + (request.Transferred * sizeof(char))), Info = request.Info };
            }
            target.Session.Return(request);
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetDirInfoByName, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetStreamInfo(FileSystemHead* native, nint context, byte* buffer, uint length, uint* transferred)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            *transferred = 0;
            if (target?.Rent(WindowsOperation.GetStreamInfo, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Buffer = buffer;
            request.Length = Boundary.Length(length);
            NtStatus status = target.Session.Execute(request);
            *transferred = (uint)request.Transferred;
            target.Session.Return(request);
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetStreamInfo, e);
        }
    }
}
