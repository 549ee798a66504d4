namespace WinLoop.WindowsTests.StandIn.Client;

#pragma warning disable CS1591

/// <summary>ACCESS_MASK for files and directories.</summary>
[Flags]
public enum Access : uint
{
    ReadData = 0x1, WriteData = 0x2, AppendData = 0x4, ReadEa = 0x8, WriteEa = 0x10, Execute = 0x20, DeleteChild = 0x40,
    ReadAttributes = 0x80, WriteAttributes = 0x100, Delete = 0x10000, ReadControl = 0x20000, WriteDac = 0x40000,
    WriteOwner = 0x80000, Synchronize = 0x100000, MaximumAllowed = 0x2000000,
    Read = 0x120089, Write = 0x120116, ReadWrite = Read | Write, All = 0x1F01FF,
}

/// <summary>FILE_SHARE_*.</summary>
[Flags]
public enum Share : uint
{
    None = 0, Read = 1, Write = 2, Delete = 4, All = 7,
}

/// <summary>NtCreateFile's CreateDisposition.</summary>
public enum Disposition : uint
{
    Supersede, Open, Create, OpenIf, Overwrite, OverwriteIf,
}

/// <summary>NtCreateFile's CreateOptions.</summary>
[Flags]
public enum Options : uint
{
    None = 0, Directory = 0x1, WriteThrough = 0x2, NoBuffering = 0x8, NonDirectory = 0x40, DeleteOnClose = 0x1000,
    BackupIntent = 0x4000, OpenReparsePoint = 0x200000,
}

/// <summary>What NtCreateFile did (IO_STATUS_BLOCK.Information).</summary>
public enum CreateResult : uint
{
    Superseded, Opened, Created, Overwritten, Exists, DoesNotExist,
}

/// <summary>FILE_DISPOSITION_INFORMATION_EX.</summary>
[Flags]
public enum DispositionFlags : uint
{
    None = 0, Delete = 1, Posix = 2, IgnoreReadOnly = 0x10,
}

/// <summary>FILE_RENAME_INFORMATION_EX.</summary>
[Flags]
public enum RenameOptions : uint
{
    None = 0, Replace = 1, Posix = 2, IgnoreReadOnly = 0x40,
}

/// <summary>Privileges of a simulated token.</summary>
[Flags]
public enum Privileges : uint
{
    None = 0, ChangeNotify = 1, Backup = 2, Restore = 4, Security = 8, TakeOwnership = 16, CreateSymbolicLink = 32,
}

/// <summary>Operations of the stand-in's protocol (protocol.c).</summary>
internal enum StandInOperation : uint
{
    Create = 1, Close, Read, Write, Flush, QueryInfo, SetBasic, SetEnd, SetAllocation, SetDisposition, Rename, QueryName,
    QuerySecurity, SetSecurity, QueryDirectory, QueryEa, SetEa, GetReparse, SetReparse, DeleteReparse, QueryStreams,
    QueryVolume, SetLabel, Lock, Unlock, Control, SetToken, LazyWrite, LazyInterval, Statistics, StopService, LoseDriver,
    Counters, FindVolume, Trace, Changes, Bench, FlushVolume,
}

/// <summary>Slots of the interface, for counters and benches.</summary>
public enum Slot
{
    GetVolumeInfo, SetVolumeLabel, GetSecurityByName, Create, Open, Overwrite, Cleanup, Close, Read, Write, Flush, GetFileInfo,
    SetBasicInfo, SetFileSize, CanDelete, Rename, GetSecurity, SetSecurity, ReadDirectory, ResolveReparsePoints, GetReparsePoint,
    SetReparsePoint, DeleteReparsePoint, GetStreamInfo, GetDirInfoByName, Control, SetDelete, CreateEx, OverwriteEx, GetEa, SetEa,
    Obsolete0, DispatcherStopped,
}
