using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>What the callbacks of one mount work on.</summary>
internal sealed unsafe class CallbackTarget(WinFspExports exports, Action<bool> dispatcherStopped) : IResponder
{
    public WinFspExports Exports { get; } = exports;

    /// <summary>WinFsp's object; null until it is made.</summary>
    public FileSystemHead* Native { get; set; }

    /// <summary>Set before WinFsp may call.</summary>
    public WindowsSession Session { get; set; } = null!;

    public FileTable Files { get; } = new();

    /// <summary>Told when the last callback is over; false: not because we asked for it.</summary>
    public Action<bool> DispatcherStopped { get; } = dispatcherStopped;

    /// <summary>The mount that WinFsp calls; null if it is none of ours.</summary>
    public static CallbackTarget? Of(FileSystemHead* native) => native == null ? null : HostTable.Find(native->UserContext);

    /// <summary>Runs the request of a callback that is answered when it returns, and takes it back.</summary>
    public NtStatus Run(WindowsRequest request)
    {
        NtStatus status = Session.Execute(request);
        Session.Return(request);
        return status;
    }

    /// <summary>As <see cref="Run"/>, with attributes as the result.</summary>
    public NtStatus Run(WindowsRequest request, WindowsFileInfo* info)
    {
        NtStatus status = Session.Execute(request);
        if (status.IsSuccess())
        {
            *info = request.Info;
        }
        Session.Return(request);
        return status;
    }

    /// <summary>A request about an open; null: there is no such open.</summary>
    public WindowsRequest? Rent(WindowsOperation operation, nint context)
    {
        WindowsFile? file = Files.Find((ulong)context);
        if (file is null)
        {
            return null;
        }
        WindowsRequest request = Session.Rent(operation);
        request.File = file;
        return request;
    }

    public ulong CurrentHint() => CurrentOperation.Hint(Exports);

    public void Send(WindowsRequest request)
    {
        TransactResponse response = default;
        response.Size = TransactResponse.SizeOf;
        response.Hint = request.Hint;
        response.Status = request.Result;
        response.Information = (uint)request.Transferred;
        switch ((WindowsOperation)request.Operation)
        {
            case WindowsOperation.Read:
                response.Kind = TransactKind.Read;
                break;
            case WindowsOperation.Write:
                response.Kind = TransactKind.Write;
                response.WriteInfo = request.Info;
                break;
            default:
                response.Kind = TransactKind.QueryDirectory;
                break;
        }
        Exports.SendResponse(Native, &response);
    }
}
