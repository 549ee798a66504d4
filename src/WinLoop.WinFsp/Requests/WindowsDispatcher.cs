using System.Diagnostics;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WinFsp.Binding;

namespace WinLoop.WinFsp.Requests;

/// <summary>Carries requests out: what the request queue of a mount calls.</summary>
internal sealed unsafe class WindowsDispatcher(WindowsSession session) : IQueueOperations
{
    // STATUS_IO_TIMEOUT.
    private const NtStatus IoTimeout = (NtStatus)0xC00000B5;

    // The driver gives a request up after five minutes, and takes its buffer back.
    private static readonly TimeSpan DeferredLimit = TimeSpan.FromMinutes(4);

    /// <summary>The names of the queue's operations: WinFsp's callbacks.</summary>
    public static string[] OperationNames { get; } = Enum.GetNames<WindowsOperation>();

    public QueueStatus QueueRequest(Request request)
    {
        WindowsRequest r = (WindowsRequest)request;
        WindowsOperation operation = (WindowsOperation)r.Operation;
        try
        {
            if (r.IsDeferred && Stopwatch.GetElapsedTime(r.StartTimestamp) > DeferredLimit)
            {
                session.Log($"{operation} was not carried out within {DeferredLimit.TotalMinutes} minutes");
                r.Result = IoTimeout;
                return QueueStatus.Failed;
            }
            r.Result = Dispatch(operation, r);
            r.Bytes = operation is WindowsOperation.Read or WindowsOperation.Write ? r.Transferred : 0;
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy && MayRepeat(operation))
        {
            r.Transferred = 0;
            r.Result = NtStatus.DeviceBusy;
            return QueueStatus.Busy;
        }
        catch (Exception e)
        {
            r.Transferred = 0;
            r.Result = session.ToStatus(e, r);
        }
        return r.Result.IsSuccess() ? QueueStatus.Ok : QueueStatus.Failed;
    }

    public void CompleteRequest(Request request)
    {
        if (!request.IsDeferred)
        {
            return;
        }
        WindowsRequest r = (WindowsRequest)request;
        if (r.Exception is ObjectDisposedException)
        {
            r.Result = NtStatus.DeviceNotReady; // the queue ended while it waited
        }
        session.Answer(r);
    }

    private NtStatus Dispatch(WindowsOperation operation, WindowsRequest r)
    {
        WindowsFileSystem fs = session.FileSystem;
        switch (operation)
        {
            case WindowsOperation.Read:
            {
                NtStatus status = fs.Read(r.File!, r.Room, r.Offset, out int transferred);
                r.Transferred = transferred;
                return status;
            }
            case WindowsOperation.Write:
            {
                NtStatus status = fs.Write(r.File!, r.Data, r.Offset, r.Switch, r.Constrained, out int transferred, out r.Info);
                r.Transferred = transferred;
                return status;
            }
            case WindowsOperation.GetFileInfo:
                return fs.GetFileInfo(r.File!, out r.Info);
            case WindowsOperation.GetSecurityByName:
            {
                NtStatus status = fs.GetSecurityByName(r.PathSpan, out uint attributes, out byte[] descriptor);
                r.Attributes = attributes;
                r.Descriptor = descriptor;
                return status;
            }
            case WindowsOperation.Open:
            {
                NtStatus status = fs.Open(r.PathSpan, r.Options, r.GrantedAccess, out WindowsFile? file, out r.Info);
                r.File = file;
                return status;
            }
            case WindowsOperation.Close:
                fs.Close(r.File!);
                return NtStatus.Success;
            case WindowsOperation.Cleanup:
                fs.Cleanup(r.File!, r.PathSpan, (CleanupFlags)r.Options);
                return NtStatus.Success;
            case WindowsOperation.Create:
                return Create(fs, r);
            case WindowsOperation.Overwrite:
                return fs.Overwrite(r.File!, r.Attributes, r.Switch, r.Offset, r.Data, out r.Info);
            case WindowsOperation.Flush:
                return fs.Flush(r.File, out r.Info);
            case WindowsOperation.SetBasicInfo:
                return fs.SetBasicInfo(r.File!, r.Attributes, r.CreationTime, r.LastAccessTime, r.LastWriteTime, r.ChangeTime, out r.Info);
            case WindowsOperation.SetFileSize:
                return fs.SetFileSize(r.File!, r.Offset, r.Switch, out r.Info);
            case WindowsOperation.SetDelete:
                return fs.SetDelete(r.File!, r.PathSpan, r.Switch);
            case WindowsOperation.Rename:
                return fs.Rename(r.File!, r.PathSpan, new ReadOnlySpan<char>(r.NewPath, r.NewPathLength), r.Switch);
            case WindowsOperation.GetVolumeInfo:
            {
                NtStatus status = fs.GetVolumeInfo(out WindowsVolumeInfo info);
                r.VolumeInfo = info;
                return status;
            }
            case WindowsOperation.SetVolumeLabel:
            {
                NtStatus status = fs.SetVolumeLabel(r.PathSpan, out WindowsVolumeInfo info);
                r.VolumeInfo = info;
                return status;
            }
            case WindowsOperation.GetSecurity:
            {
                NtStatus status = fs.GetSecurity(r.File!, out byte[] descriptor);
                r.Descriptor = descriptor;
                return status;
            }
            case WindowsOperation.SetSecurity:
                return SetSecurity(fs, r);
            case WindowsOperation.ReadDirectory:
                return ReadDirectory(fs, r);
            case WindowsOperation.GetDirInfoByName:
            {
                NtStatus status = fs.GetDirInfoByName(r.File!, r.PathSpan, new Span<char>(r.Name, r.NameCapacity), out int length, out r.Info);
                r.Transferred = length;
                return status;
            }
            case WindowsOperation.GetReparsePointByName:
            {
                NtStatus status = fs.GetReparsePointByName(r.PathSpan, r.Room, out int length);
                r.Transferred = length;
                return status;
            }
            case WindowsOperation.GetReparsePoint:
            {
                NtStatus status = fs.GetReparsePoint(r.File!, r.Room, out int length);
                r.Transferred = length;
                return status;
            }
            case WindowsOperation.SetReparsePoint:
                return fs.SetReparsePoint(r.File!, r.PathSpan, r.Data);
            case WindowsOperation.DeleteReparsePoint:
                return fs.DeleteReparsePoint(r.File!, r.PathSpan, r.Data);
            case WindowsOperation.GetStreamInfo:
                return GetStreamInfo(fs, r);
            case WindowsOperation.GetEa:
            {
                NtStatus status = fs.GetEa(r.File!, r.Room, out int length);
                r.Transferred = length;
                return status;
            }
            case WindowsOperation.SetEa:
                return fs.SetEa(r.File!, r.Data, out r.Info);
            default:
                return NtStatus.InvalidDeviceRequest;
        }
    }

    private static NtStatus Create(WindowsFileSystem fs, WindowsRequest r)
    {
        CreateParameters parameters = new()
        {
            CreateOptions = r.Options & 0xFFFFFF, // the disposition is in the top 8 bits
            GrantedAccess = r.GrantedAccess,
            FileAttributes = r.Attributes,
            SecurityDescriptor = new ReadOnlySpan<byte>(r.Security, r.SecurityLength),
            AllocationSize = r.Offset,
            Extra = r.Data,
            ExtraIsReparsePoint = r.Switch,
        };
        NtStatus status = fs.Create(r.PathSpan, parameters, out WindowsFile? file, out r.Info);
        r.File = file;
        return status;
    }

    private static NtStatus ReadDirectory(WindowsFileSystem fs, WindowsRequest r)
    {
        r.Directory.Start(r.Buffer, r.Length);
        NtStatus status = fs.ReadDirectory(r.File!, r.PathSpan, r.Switch, r.Directory.Sink, out bool isEnd);
        if (status.IsSuccess())
        {
            if (isEnd)
            {
                r.Directory.End();
            }
            r.Transferred = r.Directory.Used;
        }
        return status;
    }

    private static NtStatus GetStreamInfo(WindowsFileSystem fs, WindowsRequest r)
    {
        r.Streams.Start(r.Buffer, r.Length);
        NtStatus status = fs.GetStreamInfo(r.File!, r.Streams.Sink);
        r.Streams.End();
        r.Transferred = status.IsSuccess() || r.Streams.IsFull ? r.Streams.Used : 0;
        // A list that is not complete is a success too: the missing end mark says so.
        return r.Streams.IsFull ? NtStatus.Success : status;
    }

    private NtStatus SetSecurity(WindowsFileSystem fs, WindowsRequest r)
    {
        NtStatus status = fs.GetSecurity(r.File!, out byte[] old);
        if (!status.IsSuccess())
        {
            return status;
        }
        status = session.Merger.Merge(old, r.Options, r.Security, out byte* merged);
        if (!status.IsSuccess())
        {
            return status;
        }
        try
        {
            int length = SecurityDescriptor.GetLength(merged);
            return length < 0 ? NtStatus.InvalidSecurityDescriptor
                : fs.SetSecurity(r.File!, r.Options, new ReadOnlySpan<byte>(merged, length));
        }
        finally
        {
            session.Merger.Free(merged);
        }
    }

    // What changes nothing may be done again when the device was busy in the middle of it.
    private static bool MayRepeat(WindowsOperation operation) => operation is WindowsOperation.Read or WindowsOperation.Open
        or WindowsOperation.GetFileInfo or WindowsOperation.GetSecurityByName or WindowsOperation.GetVolumeInfo
        or WindowsOperation.GetSecurity or WindowsOperation.ReadDirectory or WindowsOperation.GetDirInfoByName
        or WindowsOperation.GetReparsePointByName or WindowsOperation.GetReparsePoint or WindowsOperation.GetStreamInfo
        or WindowsOperation.GetEa;
}
