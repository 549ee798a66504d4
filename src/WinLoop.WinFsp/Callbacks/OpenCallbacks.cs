using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks of the life of an open.</summary>
internal static unsafe class OpenCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int CreateEx(
        FileSystemHead* native, char* path, uint createOptions, uint grantedAccess, uint attributes, byte* security,
        ulong allocationSize, byte* extra, uint extraLength, byte extraIsReparsePoint, nint* context, OpenFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            int securityLength = security == null ? 0 : SecurityDescriptor.GetLength(security);
            if (securityLength < 0)
            {
                return unchecked((int)NtStatus.InvalidSecurityDescriptor);
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.Create);
            request.SetPath(path);
            request.Options = createOptions;
            request.GrantedAccess = grantedAccess;
            request.Attributes = attributes;
            request.Security = security;
            request.SecurityLength = securityLength;
            request.Offset = allocationSize;
            request.Buffer = extra;
            request.Length = extra == null ? 0 : Boundary.Length(extraLength);
            request.Switch = extraIsReparsePoint != 0;
            return Finish(target, request, context, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Create, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Open(FileSystemHead* native, char* path, uint createOptions, uint grantedAccess, nint* context, OpenFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.Open);
            request.SetPath(path);
            request.Options = createOptions;
            request.GrantedAccess = grantedAccess;
            return Finish(target, request, context, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Open, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int OverwriteEx(
        FileSystemHead* native, nint context, uint attributes, byte replaceAttributes, ulong allocationSize,
        byte* ea, uint eaLength, WindowsFileInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.Overwrite, context) is not { } request)
            {
                return Boundary.NoSuchOpen;
            }
            request.Attributes = attributes;
            request.Switch = replaceAttributes != 0;
            request.Offset = allocationSize;
            request.Buffer = ea;
            request.Length = ea == null ? 0 : Boundary.Length(eaLength);
            return (int)target.Run(request, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.Overwrite, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Cleanup(FileSystemHead* native, nint context, char* path, uint flags)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Rent(WindowsOperation.Cleanup, context) is not { } request)
            {
                return;
            }
            request.SetPath(path);
            request.Options = flags;
            target.Run(request);
        }
        catch (Exception e)
        {
            Boundary.Unexpected(target, WindowsOperation.Cleanup, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Close(FileSystemHead* native, nint context)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target?.Files.Remove((ulong)context) is not { } file)
            {
                return;
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.Close);
            request.File = file;
            target.Run(request);
        }
        catch (Exception e)
        {
            Boundary.Unexpected(target, WindowsOperation.Close, e);
        }
    }

    private static int Finish(CallbackTarget target, WindowsRequest request, nint* context, OpenFileInfo* info)
    {
        NtStatus status = target.Session.Execute(request);
        if (status.IsSuccess() && request.File is { } file)
        {
            *context = (nint)target.Files.Add(file);
            info->Info = request.Info;
            SetNormalizedName(target, file, info);
            file.ProcessId = CurrentOperation.ProcessId(target.Exports);
            if (file.DisableCache)
            {
                CurrentOperation.DisableCache(target.Exports);
            }
        }
        target.Session.Return(request);
        return (int)status;
    }

    // Without it a case-insensitive volume shows names in upper case.
    private static void SetNormalizedName(CallbackTarget target, WindowsFile file, OpenFileInfo* info)
    {
        if (info->NormalizedName == null || target.Session.FileSystem.Facts.IsCaseSensitive)
        {
            return;
        }
        int length = file.CopyNormalizedName(new Span<char>(info->NormalizedName, info->NormalizedNameSize / sizeof(char)));
        if (length >= 0)
        {
            info->NormalizedNameSize = (ushort)(length * sizeof(char));
        }
    }
}
