using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

// The life of an open.
internal sealed unsafe partial class PackageFileSystem
{
    private const int MaxPath = 1024;   // FSP_FSCTL_TRANSACT_PATH_SIZEMAX in units

    public override int CreateEx(
        string path, uint createOptions, uint grantedAccess, uint attributes, byte[] security, ulong allocationSize,
        nint extra, uint extraLength, bool extraIsReparsePoint,
        out object fileNode, out object fileDesc, out Fsp.Interop.FileInfo info, out string normalizedName)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.Create);
        fixed (char* p = path)
        {
            fixed (byte* s = security)
            {
                request.SetPath(p);
                request.Options = createOptions;
                request.GrantedAccess = grantedAccess;
                request.Attributes = attributes;
                request.Security = s;
                request.SecurityLength = security?.Length ?? 0;
                request.Offset = allocationSize;
                request.Buffer = (byte*)extra;
                request.Length = extra == 0 ? 0 : checked((int)extraLength);
                request.Switch = extraIsReparsePoint;
                return Finish(request, out fileNode, out fileDesc, out info, out normalizedName);
            }
        }
    }

    public override int Open(
        string path, uint createOptions, uint grantedAccess,
        out object fileNode, out object fileDesc, out Fsp.Interop.FileInfo info, out string normalizedName)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.Open);
        fixed (char* p = path)
        {
            request.SetPath(p);
            request.Options = createOptions;
            request.GrantedAccess = grantedAccess;
            return Finish(request, out fileNode, out fileDesc, out info, out normalizedName);
        }
    }

    public override int OverwriteEx(
        object fileNode, object fileDesc, uint attributes, bool replaceAttributes, ulong allocationSize,
        nint ea, uint eaLength, out Fsp.Interop.FileInfo info)
    {
        if (Rent(WindowsOperation.Overwrite, fileDesc) is not { } request)
        {
            return NoSuchOpenWith(out info);
        }
        request.Attributes = attributes;
        request.Switch = replaceAttributes;
        request.Offset = allocationSize;
        request.Buffer = (byte*)ea;
        request.Length = ea == 0 ? 0 : checked((int)eaLength);
        return Run(request, out info);
    }

    public override void Cleanup(object fileNode, object fileDesc, string path, uint flags)
    {
        if (Rent(WindowsOperation.Cleanup, fileDesc) is not { } request)
        {
            return;
        }
        fixed (char* p = path)
        {
            request.SetPath(p);
            request.Options = flags;
            Run(request);
        }
    }

    public override void Close(object fileNode, object fileDesc)
    {
        if (Rent(WindowsOperation.Close, fileDesc) is { } request)
        {
            Run(request);
        }
    }

    private int Finish(
        WindowsRequest request, out object fileNode, out object fileDesc, out Fsp.Interop.FileInfo info, out string normalizedName)
    {
        fileNode = null!;
        fileDesc = null!;
        normalizedName = null!;
        NtStatus status = Session.Execute(request);
        PackageConversions.Copy(request.Info, out info);
        if (status.IsSuccess() && request.File is { } file)
        {
            fileDesc = file;
            if (!Session.FileSystem.Facts.IsCaseSensitive)
            {
                Span<char> name = stackalloc char[MaxPath];
                int length = file.CopyNormalizedName(name);
                normalizedName = length >= 0 ? new string(name[..length]) : null!;
            }
            file.ProcessId = CurrentOperation.ProcessId(exports);
            if (file.DisableCache)
            {
                CurrentOperation.DisableCache(exports);
            }
        }
        Session.Return(request);
        return (int)status;
    }
}
