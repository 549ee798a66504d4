using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>What goes wrong below becomes a status, whatever it is.</summary>
public sealed class FailureTests
{
    [Theory]
    [InlineData(HostKind.Builtin, BlockDeviceError.Io, NtStatus.IoDeviceError)]
    [InlineData(HostKind.Package, BlockDeviceError.Io, NtStatus.IoDeviceError)]
    [InlineData(HostKind.Builtin, BlockDeviceError.Gone, NtStatus.DeviceNotReady)]
    [InlineData(HostKind.Package, BlockDeviceError.Gone, NtStatus.DeviceNotReady)]
    public void A_device_that_fails_is_told_and_noted(HostKind kind, BlockDeviceError error, NtStatus expected)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, new byte[65536], 0);
        client.Flush(file);
        FaultRule rule = mounted.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Error = error });
        (NtStatus status, byte[] data) = client.Read(file, 4096, 0);
        Assert.Equal(expected, status);
        Assert.Empty(data);
        Assert.Contains("Read", mounted.Log.Text, StringComparison.Ordinal);
        rule.IsEnabled = false;
        client.Close(file);
        if (error == BlockDeviceError.Gone)
        {
            return; // for good: the volume stays as the last commit left it
        }
        Assert.Equal(NtStatus.Success, Read());
        mounted.Finish();

        NtStatus Read()
        {
            Opened again = client.Open(@"\file").File!;
            NtStatus result = client.Read(again, 4096, 0).Status;
            client.Close(again);
            return result;
        }
    }

    [Theory]
    [InlineData(HostKind.Builtin)]
    [InlineData(HostKind.Package)]
    public void What_nobody_expects_is_an_unexpected_error_and_does_not_cross_the_boundary(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, new byte[65536], 0);
        client.Flush(file);
        FaultRule rule = mounted.Device.Add(new FaultRule
        {
            Operations = DeviceOperations.Read,
            When = _ => throw new InvalidOperationException("a bug in the device"),
        });
        Assert.Equal(NtStatus.UnexpectedIoError, client.Read(file, 4096, 0).Status);
        Assert.Contains("a bug in the device", mounted.Log.Text, StringComparison.Ordinal);
        rule.IsEnabled = false;
        Assert.Equal(NtStatus.Success, client.Read(file, 4096, 0).Status);
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [InlineData(HostKind.Builtin)]
    [InlineData(HostKind.Package)]
    public void A_damaged_descriptor_is_refused(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        byte[] descriptor = client.GetSecurity(file).Descriptor;
        descriptor[3] &= 0x7F; // not self-relative
        if (kind == HostKind.Builtin)
        {
            Assert.Equal(NtStatus.InvalidSecurityDescriptor, client.SetSecurity(file, 4, descriptor));
            Assert.Equal(NtStatus.InvalidSecurityDescriptor, client.Create(@"\other", security: descriptor).Status);
        }
        Assert.Equal(NtStatus.ObjectNameNotFound, client.Open(@"\other").Status);
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [InlineData(HostKind.Builtin)]
    [InlineData(HostKind.Package)]
    public void A_full_disk_is_told_where_the_size_is_set(HostKind kind)
    {
        using MountedVolume mounted = new(kind, megabytes: 8);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        NtStatus status = NtStatus.Success;
        byte[] data = new byte[256 * 1024];
        for (int i = 0; i < 64 && status == NtStatus.Success; i++)
        {
            status = client.Write(file, data, (ulong)i * (ulong)data.Length).Status;
        }
        Assert.Equal(NtStatus.DiskFull, status);
        client.Close(file);
        mounted.Finish();
    }
}
