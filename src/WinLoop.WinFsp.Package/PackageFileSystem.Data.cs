using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

// Data, attributes, sizes and names of open files.
internal sealed unsafe partial class PackageFileSystem
{
    public override int Read(object fileNode, object fileDesc, nint buffer, ulong offset, uint length, out uint transferred)
    {
        transferred = 0;
        if (Rent(WindowsOperation.Read, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        request.Buffer = (byte*)buffer;
        request.Length = checked((int)length);
        request.Offset = offset;
        NtStatus status = Session.ExecuteOrDefer(request);
        if (status != NtStatus.Pending)
        {
            transferred = (uint)request.Transferred;
            Session.Return(request);
        }
        return (int)status;
    }

    public override int Write(
        object fileNode, object fileDesc, nint buffer, ulong offset, uint length, bool toEnd, bool constrained,
        out uint transferred, out Fsp.Interop.FileInfo info)
    {
        transferred = 0;
        if (Rent(WindowsOperation.Write, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        request.Buffer = (byte*)buffer;
        request.Length = checked((int)length);
        request.Offset = offset;
        request.Switch = toEnd;
        request.Constrained = constrained;
        NtStatus status = Session.ExecuteOrDefer(request);
        if (status == NtStatus.Pending)
        {
            info = default;
            return (int)status;
        }
        transferred = (uint)request.Transferred;
        PackageConversions.Copy(request.Info, out info);
        Session.Return(request);
        return (int)status;
    }

    public override int Flush(object fileNode, object fileDesc, out Fsp.Interop.FileInfo info)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.Flush);
        request.File = fileDesc as WindowsFile; // none: the volume
        return Run(request, out info);
    }

    public override int GetFileInfo(object fileNode, object fileDesc, out Fsp.Interop.FileInfo info) =>
        Rent(WindowsOperation.GetFileInfo, fileDesc) is { } request ? Run(request, out info) : NoSuchOpenWith(out info);

    public override int SetBasicInfo(
        object fileNode, object fileDesc, uint attributes, ulong creationTime, ulong lastAccessTime, ulong lastWriteTime,
        ulong changeTime, out Fsp.Interop.FileInfo info)
    {
        if (Rent(WindowsOperation.SetBasicInfo, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        request.Attributes = attributes;
        request.CreationTime = creationTime;
        request.LastAccessTime = lastAccessTime;
        request.LastWriteTime = lastWriteTime;
        request.ChangeTime = changeTime;
        return Run(request, out info);
    }

    public override int SetFileSize(object fileNode, object fileDesc, ulong size, bool isAllocationSize, out Fsp.Interop.FileInfo info)
    {
        if (Rent(WindowsOperation.SetFileSize, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        request.Offset = size;
        request.Switch = isAllocationSize;
        return Run(request, out info);
    }

    public override int SetDelete(object fileNode, object fileDesc, string path, bool delete)
    {
        if (Rent(WindowsOperation.SetDelete, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        fixed (char* p = path)
        {
            request.SetPath(p);
            request.Switch = delete;
            return Run(request);
        }
    }

    public override int Rename(object fileNode, object fileDesc, string path, string newPath, bool replace)
    {
        if (Rent(WindowsOperation.Rename, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        fixed (char* p = path, q = newPath)
        {
            request.SetPath(p);
            request.SetNewPath(q);
            request.Switch = replace;
            return Run(request);
        }
    }

    public override int GetEa(object fileNode, object fileDesc, nint ea, uint eaLength, out uint transferred)
    {
        transferred = 0;
        if (Rent(WindowsOperation.GetEa, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        request.Buffer = (byte*)ea;
        request.Length = checked((int)eaLength);
        NtStatus status = Session.Execute(request);
        transferred = (int)status >= 0 ? (uint)request.Transferred : 0;
        Session.Return(request);
        return (int)status;
    }

    public override int SetEa(object fileNode, object fileDesc, nint ea, uint eaLength, out Fsp.Interop.FileInfo info)
    {
        if (Rent(WindowsOperation.SetEa, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        request.Buffer = (byte*)ea;
        request.Length = checked((int)eaLength);
        return Run(request, out info);
    }
}
