using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Hosting;

/// <summary>What is announced to the driver about an ext4 volume; the same for every binding.</summary>
internal static class VolumeSettings
{
    /// <summary>Turns the cache manager on: the image is ours alone, so nothing changes behind the driver's back.</summary>
    public const uint CacheForever = 0xFFFFFFFF;

    private const int MaxComponentLength = 255;

    /// <summary>The flags, without those that say what a file context is, which are the binding's.</summary>
    public static VolumeFlags Flags(in WindowsVolumeFacts facts, WinFspMountOptions options)
    {
        VolumeFlags flags = VolumeFlags.CasePreservedNames | VolumeFlags.UnicodeOnDisk | VolumeFlags.PersistentAcls
            // Without ReparsePointsAccessCheck: links need no privilege.
            | VolumeFlags.ReparsePoints | VolumeFlags.NamedStreams | VolumeFlags.ExtendedAttributes | VolumeFlags.WslFeatures
            | VolumeFlags.SupportsPosixUnlinkRename
            | VolumeFlags.PostCleanupWhenModifiedOnly | VolumeFlags.PostDispositionWhenNecessaryOnly
            | VolumeFlags.PassQueryDirectoryFileName | VolumeFlags.AllowOpenInKernelMode;
        if (facts.IsCaseSensitive)
        {
            flags |= VolumeFlags.CaseSensitiveSearch;
        }
        if (facts.IsReadOnly)
        {
            flags |= VolumeFlags.ReadOnlyVolume;
        }
        else if (!options.FastCache)
        {
            flags |= VolumeFlags.FlushAndPurgeOnCleanup;
        }
        return flags;
    }

    /// <summary>All of it.</summary>
    public static VolumeParams Build(in WindowsVolumeFacts facts, WinFspMountOptions options)
    {
        VolumeParams parameters = new()
        {
            Version = VolumeParams.SizeOf,
            SectorSize = facts.SectorSize,
            SectorsPerAllocationUnit = facts.SectorsPerAllocationUnit,
            MaxComponentLength = MaxComponentLength,
            VolumeCreationTime = facts.CreationTime,
            VolumeSerialNumber = facts.SerialNumber,
            FileInfoTimeout = CacheForever,
            Flags = Flags(facts, options) | VolumeFlags.UmFileContextIsUserContext2,
        };
        parameters.SetFileSystemName(options.FileSystemName);
        return parameters;
    }
}
