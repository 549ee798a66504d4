namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_VOLUME_PARAMS, the bit field at offset 36.</summary>
[Flags]
internal enum VolumeFlags : uint
{
    None = 0,
    CaseSensitiveSearch = 0x1,
    CasePreservedNames = 0x2,
    UnicodeOnDisk = 0x4,
    PersistentAcls = 0x8,
    ReparsePoints = 0x10,
    ReparsePointsAccessCheck = 0x20,
    NamedStreams = 0x40,
    HardLinks = 0x80,
    ExtendedAttributes = 0x100,
    ReadOnlyVolume = 0x200,
    PostCleanupWhenModifiedOnly = 0x400,
    PassQueryDirectoryPattern = 0x800,
    AlwaysUseDoubleBuffering = 0x1000,
    PassQueryDirectoryFileName = 0x2000,
    FlushAndPurgeOnCleanup = 0x4000,
    DeviceControl = 0x8000,
    UmFileContextIsUserContext2 = 0x10000,
    UmFileContextIsFullContext = 0x20000,
    UmNoReparsePointsDirCheck = 0x40000,
    AllowOpenInKernelMode = 0x01000000,
    CasePreservedExtendedAttributes = 0x02000000,
    WslFeatures = 0x04000000,
    DirectoryMarkerAsNextOffset = 0x08000000,
    RejectIrpPriorToTransact0 = 0x10000000,
    SupportsPosixUnlinkRename = 0x20000000,
    PostDispositionWhenNecessaryOnly = 0x40000000,
}
