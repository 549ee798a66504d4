namespace WinLoop.WinFsp.Requests;

/// <summary>What a request asks for: WinFsp's callbacks, those that reach the file system.</summary>
internal enum WindowsOperation
{
    GetVolumeInfo,
    SetVolumeLabel,
    GetSecurityByName,
    Create,
    Open,
    Overwrite,
    Cleanup,
    Close,
    Read,
    Write,
    Flush,
    GetFileInfo,
    SetBasicInfo,
    SetFileSize,
    SetDelete,
    Rename,
    GetSecurity,
    SetSecurity,
    ReadDirectory,
    GetDirInfoByName,
    GetReparsePointByName,
    GetReparsePoint,
    SetReparsePoint,
    DeleteReparsePoint,
    GetStreamInfo,
    GetEa,
    SetEa,
}
