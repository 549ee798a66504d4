using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks about security descriptors.</summary>
internal static unsafe class SecurityCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetSecurityByName(FileSystemHead* native, char* path, uint* attributesOrIndex, byte* buffer, nuint* size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.GetSecurityByName);
            request.SetPath(path);
            NtStatus status = target.Session.Execute(request);
            if (status.IsSuccess())
            {
                if (attributesOrIndex != null)
                {
                    *attributesOrIndex = request.Attributes;
                }
                if (status != NtStatus.Reparse)
                {
                    status = Copy(request.Descriptor, buffer, size);
                }
            }
            target.Session.Return(request);
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetSecurityByName, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetSecurity(FileSystemHead* native, nint context, byte* buffer, nuint* size)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.GetSecurity, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            NtStatus status = target.Session.Execute(request);
            if (status.IsSuccess())
            {
                status = Copy(request.Descriptor, buffer, size);
            }
            target.Session.Return(request);
            return (int)status;
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetSecurity, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetSecurity(FileSystemHead* native, nint context, uint information, byte* modification)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (SecurityDescriptor.GetLength(modification) < 0)
            {
                return unchecked((int)NtStatus.InvalidSecurityDescriptor);
            }
            if (target?.Rent(WindowsOperation.SetSecurity, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Options = information;
            request.Security = modification;
            return (int)target.Run(request);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetSecurity, e);
        }
    }

    // A null size: the caller does not want the descriptor. A size of 0: no access check.
    private static NtStatus Copy(byte[]? descriptor, byte* buffer, nuint* size)
    {
        if (size == null)
        {
            return NtStatus.Success;
        }
        nuint room = *size;
        int length = descriptor?.Length ?? 0;
        *size = (nuint)length;
        if ((nuint)length > room)
        {
            return NtStatus.BufferOverflow;
        }
        if (buffer != null && length != 0)
        {
            descriptor.CopyTo(new Span<byte>(buffer, length));
        }
        return NtStatus.Success;
    }
}
