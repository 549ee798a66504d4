using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>Callbacks about the volume.</summary>
internal static unsafe class VolumeCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int GetVolumeInfo(FileSystemHead* native, VolumeInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            return target is null ? Boundary.NotOurs : Run(target, target.Session.Rent(WindowsOperation.GetVolumeInfo), info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.GetVolumeInfo, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int SetVolumeLabel(FileSystemHead* native, char* label, VolumeInfo* info)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            if (target is null)
            {
                return Boundary.NotOurs;
            }
            WindowsRequest request = target.Session.Rent(WindowsOperation.SetVolumeLabel);
            request.SetPath(label);
            return Run(target, request, info);
        }
        catch (Exception e)
        {
            return Boundary.Unexpected(target, WindowsOperation.SetVolumeLabel, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void DispatcherStopped(FileSystemHead* native, byte normally)
    {
        CallbackTarget? target = CallbackTarget.Of(native);
        try
        {
            target?.DispatcherStopped(normally != 0);
        }
        catch (Exception e)
        {
            target?.Session.Log($"DispatcherStopped: {e}");
        }
    }

    private static int Run(CallbackTarget target, WindowsRequest request, VolumeInfo* info)
    {
        NtStatus status = target.Session.Execute(request);
        if (status.IsSuccess())
        {
            Encode(request.VolumeInfo, info);
        }
        target.Session.Return(request);
        return (int)status;
    }

    internal static void Encode(in WindowsVolumeInfo from, VolumeInfo* to)
    {
        *to = new VolumeInfo { TotalSize = from.TotalSize, FreeSize = from.FreeSize };
        to->SetLabel(from.Label);
    }
}
