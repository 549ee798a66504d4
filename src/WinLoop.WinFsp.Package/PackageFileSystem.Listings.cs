using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Callbacks;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

// Directories, streams, links.
internal sealed unsafe partial class PackageFileSystem
{
    // Not ReadDirectoryEntry: that costs a call of the DLL and 614 bytes for each entry.
    public override int ReadDirectory(
        object fileNode, object fileDesc, string pattern, string marker, nint buffer, uint length, out uint transferred)
    {
        transferred = 0;
        if (Rent(WindowsOperation.ReadDirectory, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        fixed (char* p = marker)
        {
            request.SetPath(p);
            request.Switch = marker is not null;
            request.Buffer = (byte*)buffer;
            request.Length = checked((int)length);
            NtStatus status = Session.ExecuteOrDefer(request);
            if (status != NtStatus.Pending)
            {
                transferred = (uint)request.Transferred;
                Session.Return(request);
            }
            return (int)status;
        }
    }

    public override int GetDirInfoByName(
        object fileNode, object fileDesc, string name, out string normalizedName, out Fsp.Interop.FileInfo info)
    {
        normalizedName = null!;
        if (Rent(WindowsOperation.GetDirInfoByName, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        char* actual = stackalloc char[DirInfo.MaxName];
        fixed (char* p = name)
        {
            request.SetPath(p);
            request.Name = actual;
            request.NameCapacity = DirInfo.MaxName;
            NtStatus status = Session.Execute(request);
            if (status.IsSuccess())
            {
                normalizedName = new string(actual, 0, request.Transferred);
            }
            PackageConversions.Copy(request.Info, out info);
            Session.Return(request);
            return (int)status;
        }
    }

    public override int GetStreamInfo(object fileNode, object fileDesc, nint buffer, uint length, out uint transferred)
    {
        transferred = 0;
        if (Rent(WindowsOperation.GetStreamInfo, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        request.Buffer = (byte*)buffer;
        request.Length = checked((int)length);
        NtStatus status = Session.Execute(request);
        transferred = (uint)request.Transferred;
        Session.Return(request);
        return (int)status;
    }

    // The base's ResolveReparsePoints walks the path and asks back here.
    public override int GetReparsePointByName(string path, bool isDirectory, ref byte[] data)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.GetReparsePointByName);
        fixed (char* p = path)
        {
            request.SetPath(p);
            return RunReparse(request, ref data);
        }
    }

    public override int GetReparsePoint(object fileNode, object fileDesc, string path, ref byte[] data) =>
        Rent(WindowsOperation.GetReparsePoint, fileDesc) is { } request ? RunReparse(request, ref data) : NoSuchOpen;

    public override int SetReparsePoint(object fileNode, object fileDesc, string path, byte[] data) =>
        ChangeReparse(WindowsOperation.SetReparsePoint, fileDesc, path, data);

    public override int DeleteReparsePoint(object fileNode, object fileDesc, string path, byte[] data) =>
        ChangeReparse(WindowsOperation.DeleteReparsePoint, fileDesc, path, data);

    private int ChangeReparse(WindowsOperation operation, object fileDesc, string path, byte[] data)
    {
        if (Rent(operation, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        fixed (char* p = path)
        {
            fixed (byte* d = data)
            {
                request.SetPath(p);
                request.Buffer = d;
                request.Length = data?.Length ?? 0;
                return Run(request);
            }
        }
    }

    private int RunReparse(WindowsRequest request, ref byte[] data)
    {
        byte* buffer = stackalloc byte[ReparseLimits.MaxData];
        request.Buffer = buffer;
        request.Length = ReparseLimits.MaxData;
        NtStatus status = Session.Execute(request);
        if (status.IsSuccess())
        {
            data = new Span<byte>(buffer, request.Transferred).ToArray();
        }
        Session.Return(request);
        return (int)status;
    }
}
