using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>A directory of a file system as a file system of its own. Disposing it leaves the other one open.</summary>
internal sealed class Subtree(IFileSystem files, string directory) : IFileSystem
{
    private string In(string path) => directory + "/" + path;

    public int Create(string path, ushort mode) => files.Create(In(path), mode);
    public int MakeDirectory(string path, ushort mode) => files.MakeDirectory(In(path), mode);
    public int MakeNode(string path, ushort mode, uint device) => files.MakeNode(In(path), mode, device);
    public int Symlink(string path, string target) => files.Symlink(In(path), target);
    public int Link(string from, string to) => files.Link(In(from), In(to));
    public int Unlink(string path) => files.Unlink(In(path));
    public int RemoveDirectory(string path) => files.RemoveDirectory(In(path));
    public int Rename(string from, string to, int flags) => files.Rename(In(from), In(to), flags);
    public int Write(string path, long offset, byte[] data) => files.Write(In(path), offset, data);
    public int Truncate(string path, long size) => files.Truncate(In(path), size);
    public int Allocate(string path, int mode, long offset, long length) => files.Allocate(In(path), mode, offset, length);
    public int SetAttribute(string path, string name, byte[] value, int flags) => files.SetAttribute(In(path), name, value, flags);
    public int RemoveAttribute(string path, string name) => files.RemoveAttribute(In(path), name);
    public int SetMode(string path, ushort mode) => files.SetMode(In(path), mode);
    public int SetOwner(string path, uint uid, uint gid) => files.SetOwner(In(path), uid, gid);
    public int SetTimes(string path, long seconds, uint nanoseconds) => files.SetTimes(In(path), seconds, nanoseconds);
    public int Synchronize(string path) => files.Synchronize(In(path));
    public void SynchronizeAll() => files.SynchronizeAll();
    public (int Error, byte[] Data) Read(string path, long offset, int length) => files.Read(In(path), offset, length);
    public void Remount() => files.Remount();

    public List<string> Dump() => files.Dump()
        .Where(l => l.StartsWith($"/{directory} ", StringComparison.Ordinal) || l.StartsWith($"/{directory}/", StringComparison.Ordinal))
        .Select(l => l[(directory.Length + 1)..]).ToList();

    public void Dispose()
    {
    }
}
