using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Package;

/// <summary>Sets volume flags of the package's host.</summary>
internal static class PackageVolumeParams
{
    // The package has properties for most flags, but for these it has none; its field _VolumeParams is the only way.
    private const VolumeFlags WithoutProperty = VolumeFlags.ReadOnlyVolume | VolumeFlags.PostDispositionWhenNecessaryOnly;

    private const BindingFlags Private = BindingFlags.Instance | BindingFlags.NonPublic;

    /// <summary>Sets the flags.</summary>
    /// <returns>Those that could not be set.</returns>
    public static VolumeFlags Apply(Fsp.FileSystemHost host, VolumeFlags flags)
    {
        // The setters only add a bit, and the host begins with none of these.
        host.CaseSensitiveSearch = flags.HasFlag(VolumeFlags.CaseSensitiveSearch);
        host.CasePreservedNames = flags.HasFlag(VolumeFlags.CasePreservedNames);
        host.UnicodeOnDisk = flags.HasFlag(VolumeFlags.UnicodeOnDisk);
        host.PersistentAcls = flags.HasFlag(VolumeFlags.PersistentAcls);
        host.ReparsePoints = flags.HasFlag(VolumeFlags.ReparsePoints);
        host.NamedStreams = flags.HasFlag(VolumeFlags.NamedStreams);
        host.ExtendedAttributes = flags.HasFlag(VolumeFlags.ExtendedAttributes);
        host.WslFeatures = flags.HasFlag(VolumeFlags.WslFeatures);
        host.SupportsPosixUnlinkRename = flags.HasFlag(VolumeFlags.SupportsPosixUnlinkRename);
        host.PostCleanupWhenModifiedOnly = flags.HasFlag(VolumeFlags.PostCleanupWhenModifiedOnly);
        host.PassQueryDirectoryFileName = flags.HasFlag(VolumeFlags.PassQueryDirectoryFileName);
        host.AllowOpenInKernelMode = flags.HasFlag(VolumeFlags.AllowOpenInKernelMode);
        host.FlushAndPurgeOnCleanup = flags.HasFlag(VolumeFlags.FlushAndPurgeOnCleanup);
        VolumeFlags rest = flags & WithoutProperty;
        return rest == 0 || TrySet(host, (uint)rest) ? 0 : rest;
    }

    [DynamicDependency("_VolumeParams", typeof(Fsp.FileSystemHost))]
    [DynamicDependency("Flags", "Fsp.Interop.VolumeParams", "winfsp-msil")]
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "The attributes above keep the fields.")]
    private static bool TrySet(Fsp.FileSystemHost host, uint bits)
    {
        try
        {
            FieldInfo? parametersField = typeof(Fsp.FileSystemHost).GetField("_VolumeParams", Private);
            object? parameters = parametersField?.GetValue(host);
            FieldInfo? flagsField = parameters?.GetType().GetField("Flags", Private | BindingFlags.Public);
            if (flagsField?.GetValue(parameters) is not uint flags)
            {
                return false;
            }
            flagsField.SetValue(parameters, flags | bits);
            parametersField!.SetValue(host, parameters);
            return true;
        }
        catch (Exception e) when (e is FieldAccessException or ArgumentException or TargetException or NotSupportedException)
        {
            return false;
        }
    }
}
