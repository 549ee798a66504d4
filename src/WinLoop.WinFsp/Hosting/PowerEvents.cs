using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WinLoop.WinFsp.Hosting;

/// <summary>Tells when Windows goes to sleep and when it has slept. Works in any process, with or without a window.</summary>
[SupportedOSPlatform("windows")]
public sealed unsafe partial class PowerEvents : IDisposable
{
    private const uint DeviceNotifyCallback = 2;
    // PBT_APM*: what the callback gets.
    private const uint Suspend = 4, ResumeSuspend = 7, ResumeAutomatic = 0x12;

    // One per process, as Windows calls a function and not an object.
    private static PowerEvents? s_current;

    private readonly Action _suspend;
    private readonly Action _resume;
    private Subscription* _subscription;
    private nint _registration;

    private PowerEvents(Action suspend, Action resume) => (_suspend, _resume) = (suspend, resume);

    /// <summary>Begins to listen.</summary>
    /// <param name="suspend">Called before the sleep, on a thread of Windows' own, which sleeps when it returns.</param>
    /// <param name="resume">Called after it; may come twice.</param>
    /// <param name="reason">Why it cannot.</param>
    /// <returns>Null if Windows does not let it.</returns>
    public static PowerEvents? TryListen(Action suspend, Action resume, out string? reason)
    {
        var events = new PowerEvents(suspend, resume);
        if (Interlocked.CompareExchange(ref s_current, events, null) is not null)
        {
            reason = "somebody in this process listens already";
            return null;
        }
        // Windows may keep the address, so it is not on the stack.
        events._subscription = (Subscription*)NativeMemory.AllocZeroed((nuint)sizeof(Subscription));
        events._subscription->Callback = &OnEvent;
        try
        {
            uint error = PowerRegisterSuspendResumeNotification(DeviceNotifyCallback, events._subscription, out events._registration);
            reason = error == 0 ? null : $"error {error}";
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            reason = e.Message;
        }
        if (reason is not null)
        {
            events.Dispose();
            return null;
        }
        return events;
    }

    /// <summary>Ends listening.</summary>
    public void Dispose()
    {
        if (Interlocked.CompareExchange(ref s_current, null, this) != this)
        {
            return;
        }
        if (_registration != 0)
        {
            PowerUnregisterSuspendResumeNotification(_registration);
        }
        NativeMemory.Free(_subscription);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvStdcall)])]
    private static uint OnEvent(void* context, uint kind, void* setting)
    {
        if (Volatile.Read(ref s_current) is { } current)
        {
            current.Take(kind);
        }
        return 0;
    }

    // Also called by a test.
    internal void Take(uint kind)
    {
        try
        {
            switch (kind)
            {
                case Suspend:
                    _suspend();
                    break;
                case ResumeSuspend or ResumeAutomatic:
                    _resume();
                    break;
            }
        }
        catch (Exception)
        {
            // There is nobody to tell, and an exception must not reach Windows.
        }
    }

    // DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS
    [StructLayout(LayoutKind.Sequential)]
    private struct Subscription
    {
        public delegate* unmanaged[Stdcall]<void*, uint, void*, uint> Callback;
        public void* Context;
    }

    [LibraryImport("powrprof")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial uint PowerRegisterSuspendResumeNotification(uint flags, Subscription* recipient, out nint registration);

    [LibraryImport("powrprof")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial uint PowerUnregisterSuspendResumeNotification(nint registration);
}
