using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

// The volume and security descriptors.
internal sealed unsafe partial class PackageFileSystem
{
    public override int GetVolumeInfo(out Fsp.Interop.VolumeInfo info) => RunVolume(Session.Rent(WindowsOperation.GetVolumeInfo), out info);

    public override int SetVolumeLabel(string label, out Fsp.Interop.VolumeInfo info)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.SetVolumeLabel);
        fixed (char* p = label)
        {
            request.SetPath(p);
            return RunVolume(request, out info);
        }
    }

    public override int GetSecurityByName(string path, out uint attributes, ref byte[] descriptor)
    {
        WindowsRequest request = Session.Rent(WindowsOperation.GetSecurityByName);
        fixed (char* p = path)
        {
            request.SetPath(p);
            NtStatus status = Session.Execute(request);
            attributes = request.Attributes;
            if (status.IsSuccess() && descriptor is not null)
            {
                descriptor = request.Descriptor ?? [];
            }
            Session.Return(request);
            return (int)status;
        }
    }

    public override int GetSecurity(object fileNode, object fileDesc, ref byte[] descriptor)
    {
        if (Rent(WindowsOperation.GetSecurity, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        NtStatus status = Session.Execute(request);
        if (status.IsSuccess())
        {
            descriptor = request.Descriptor ?? [];
        }
        Session.Return(request);
        return (int)status;
    }

    public override int SetSecurity(
        object fileNode, object fileDesc, System.Security.AccessControl.AccessControlSections sections, byte[] descriptor)
    {
        if (Rent(WindowsOperation.SetSecurity, fileDesc) is not { } request)
        {
            return NoSuchOpen;
        }
        fixed (byte* p = descriptor)
        {
            request.Options = ToSecurityInformation(sections);
            request.Security = p;
            return Run(request);
        }
    }

    // The package has thrown away all other bits. By number, for the names are for Windows only.
    private static uint ToSecurityInformation(System.Security.AccessControl.AccessControlSections sections)
    {
        const int Audit = 1, Access = 2, Owner = 4, Group = 8;
        int bits = (int)sections;
        return ((bits & Owner) != 0 ? 1u : 0) | ((bits & Group) != 0 ? 2u : 0)
            | ((bits & Access) != 0 ? 4u : 0) | ((bits & Audit) != 0 ? 8u : 0);
    }

    private int RunVolume(WindowsRequest request, out Fsp.Interop.VolumeInfo info)
    {
        NtStatus status = Session.Execute(request);
        if (status.IsSuccess())
        {
            PackageConversions.Copy(request.VolumeInfo, out info);
        }
        else
        {
            info = default;
        }
        Session.Return(request);
        return (int)status;
    }
}
