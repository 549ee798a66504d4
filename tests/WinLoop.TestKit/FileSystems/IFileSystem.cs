namespace WinLoop.TestKit.FileSystems;

/// <summary>
/// What the random test does to a file system, by path ("a/b", root = ""). Every operation answers 0 or the
/// errno that Linux would give, so that three implementations can be compared step by step.
/// </summary>
internal interface IFileSystem : IDisposable
{
    int Create(string path, ushort mode);
    int MakeDirectory(string path, ushort mode);
    int MakeNode(string path, ushort mode, uint device);
    int Symlink(string path, string target);
    int Link(string from, string to);
    int Unlink(string path);
    int RemoveDirectory(string path);
    int Rename(string from, string to, int flags);
    int Write(string path, long offset, byte[] data);
    int Truncate(string path, long size);
    int Allocate(string path, int mode, long offset, long length);
    int SetAttribute(string path, string name, byte[] value, int flags);
    int RemoveAttribute(string path, string name);
    int SetMode(string path, ushort mode);
    int SetOwner(string path, uint uid, uint gid);
    int SetTimes(string path, long seconds, uint nanoseconds);
    int Synchronize(string path);
    void SynchronizeAll();

    /// <summary>Content of [offset, offset+length), or the errno as a negative first element.</summary>
    (int Error, byte[] Data) Read(string path, long offset, int length);

    /// <summary>Unmounts and mounts again, where that means something.</summary>
    void Remount();

    /// <summary>The whole tree: one line per name, sorted.</summary>
    List<string> Dump();
}
