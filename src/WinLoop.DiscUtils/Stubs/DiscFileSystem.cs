using DiscUtils.Streams;

#pragma warning disable CS1591, CA1063

namespace DiscUtils;

/// <summary>Stand-in: options that every file system has.</summary>
public class DiscFileSystemOptions
{
    public Random? RandomNumberGenerator { get; set; }
}

/// <summary>Stand-in: what every file system of the library offers.</summary>
public interface IFileSystem
{
    bool CanWrite { get; }
    bool IsThreadSafe { get; }
    DiscDirectoryInfo Root { get; }
    long Size { get; }
    long UsedSpace { get; }
    long AvailableSpace { get; }
    bool SupportsUsedAvailableSpace { get; }
    void CopyFile(string sourceFile, string destinationFile);
    void CopyFile(string sourceFile, string destinationFile, bool overwrite);
    void CreateDirectory(string path);
    void DeleteDirectory(string path);
    void DeleteDirectory(string path, bool recursive);
    void DeleteFile(string path);
    bool DirectoryExists(string path);
    bool FileExists(string path);
    bool Exists(string path);
    IEnumerable<string> GetDirectories(string path);
    IEnumerable<string> GetDirectories(string path, string searchPattern);
    IEnumerable<string> GetDirectories(string path, string searchPattern, SearchOption searchOption);
    IEnumerable<string> GetFiles(string path);
    IEnumerable<string> GetFiles(string path, string searchPattern);
    IEnumerable<string> GetFiles(string path, string searchPattern, SearchOption searchOption);
    IEnumerable<string> GetFileSystemEntries(string path);
    IEnumerable<string> GetFileSystemEntries(string path, string searchPattern);
    IEnumerable<string> GetFileSystemEntries(string path, string searchPattern, SearchOption searchOption);
    void MoveDirectory(string sourceDirectoryName, string destinationDirectoryName);
    void MoveFile(string sourceName, string destinationName);
    void MoveFile(string sourceName, string destinationName, bool overwrite);
    SparseStream OpenFile(string path, FileMode mode);
    SparseStream OpenFile(string path, FileMode mode, FileAccess access);
    FileAttributes GetAttributes(string path);
    void SetAttributes(string path, FileAttributes newValue);
    DateTime GetCreationTimeUtc(string path);
    void SetCreationTimeUtc(string path, DateTime newTime);
    DateTime GetLastAccessTimeUtc(string path);
    void SetLastAccessTimeUtc(string path, DateTime newTime);
    DateTime GetLastWriteTimeUtc(string path);
    void SetLastWriteTimeUtc(string path, DateTime newTime);
    long GetFileLength(string path);
    byte[]? ReadBootCode();
}

/// <summary>Stand-in: the base class of the library's file systems, with what it leaves to them.</summary>
public abstract class DiscFileSystem : MarshalByRefObject, IFileSystem, IDisposable
{
    protected DiscFileSystem() => Options = new DiscFileSystemOptions();

    protected DiscFileSystem(DiscFileSystemOptions defaultOptions) => Options = defaultOptions;

    ~DiscFileSystem() => Dispose(false);

    public event EventHandler? Disposed;

    public virtual DiscFileSystemOptions Options { get; }
    public abstract string FriendlyName { get; }
    public abstract bool CanWrite { get; }
    public abstract Stream? RawStream { get; }
    public virtual DiscDirectoryInfo Root => new(this, "");
    public virtual string? VolumeLabel => "";
    public virtual uint VolumeId => (uint)GetHashCode();
    public virtual bool IsThreadSafe => false;
    public abstract long Size { get; }
    public abstract long UsedSpace { get; }
    public abstract long AvailableSpace { get; }
    public virtual bool SupportsUsedAvailableSpace => true;

    public virtual void CopyFile(string sourceFile, string destinationFile) => CopyFile(sourceFile, destinationFile, false);
    public abstract void CopyFile(string sourceFile, string destinationFile, bool overwrite);
    public abstract void CreateDirectory(string path);
    public abstract void DeleteDirectory(string path);

    public virtual void DeleteDirectory(string path, bool recursive)
    {
        if (recursive)
        {
            foreach (string directory in GetDirectories(path).ToArray())
            {
                DeleteDirectory(directory, true);
            }
            foreach (string file in GetFiles(path).ToArray())
            {
                DeleteFile(file);
            }
        }
        DeleteDirectory(path);
    }

    public abstract void DeleteFile(string path);
    public abstract bool DirectoryExists(string path);
    public abstract bool FileExists(string path);
    public virtual bool Exists(string path) => FileExists(path) || DirectoryExists(path);

    public virtual IEnumerable<string> GetDirectories(string path) => GetDirectories(path, "*.*", SearchOption.TopDirectoryOnly);
    public virtual IEnumerable<string> GetDirectories(string path, string searchPattern) =>
        GetDirectories(path, searchPattern, SearchOption.TopDirectoryOnly);
    public abstract IEnumerable<string> GetDirectories(string path, string searchPattern, SearchOption searchOption);
    public virtual IEnumerable<string> GetFiles(string path) => GetFiles(path, "*.*", SearchOption.TopDirectoryOnly);
    public virtual IEnumerable<string> GetFiles(string path, string searchPattern) => GetFiles(path, searchPattern, SearchOption.TopDirectoryOnly);
    public abstract IEnumerable<string> GetFiles(string path, string searchPattern, SearchOption searchOption);
    public abstract IEnumerable<string> GetFileSystemEntries(string path);
    public abstract IEnumerable<string> GetFileSystemEntries(string path, string searchPattern);
    public abstract IEnumerable<string> GetFileSystemEntries(string path, string searchPattern, SearchOption searchOption);

    public abstract void MoveDirectory(string sourceDirectoryName, string destinationDirectoryName);
    public virtual void MoveFile(string sourceName, string destinationName) => MoveFile(sourceName, destinationName, false);
    public abstract void MoveFile(string sourceName, string destinationName, bool overwrite);
    public virtual SparseStream OpenFile(string path, FileMode mode) => OpenFile(path, mode, FileAccess.ReadWrite);
    public abstract SparseStream OpenFile(string path, FileMode mode, FileAccess access);

    public abstract FileAttributes GetAttributes(string path);
    public abstract void SetAttributes(string path, FileAttributes newValue);
    public virtual DateTime GetCreationTime(string path) => GetCreationTimeUtc(path).ToLocalTime();
    public virtual void SetCreationTime(string path, DateTime newTime) => SetCreationTimeUtc(path, newTime.ToUniversalTime());
    public abstract DateTime GetCreationTimeUtc(string path);
    public abstract void SetCreationTimeUtc(string path, DateTime newTime);
    public virtual DateTime GetLastAccessTime(string path) => GetLastAccessTimeUtc(path).ToLocalTime();
    public virtual void SetLastAccessTime(string path, DateTime newTime) => SetLastAccessTimeUtc(path, newTime.ToUniversalTime());
    public abstract DateTime GetLastAccessTimeUtc(string path);
    public abstract void SetLastAccessTimeUtc(string path, DateTime newTime);
    public virtual DateTime GetLastWriteTime(string path) => GetLastWriteTimeUtc(path).ToLocalTime();
    public virtual void SetLastWriteTime(string path, DateTime newTime) => SetLastWriteTimeUtc(path, newTime.ToUniversalTime());
    public abstract DateTime GetLastWriteTimeUtc(string path);
    public abstract void SetLastWriteTimeUtc(string path, DateTime newTime);
    public abstract long GetFileLength(string path);
    public virtual byte[]? ReadBootCode() => null;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            Disposed?.Invoke(this, EventArgs.Empty);
        }
    }
}

/// <summary>Stand-in: a directory by its path, as far as tests need it.</summary>
public sealed class DiscDirectoryInfo
{
    internal DiscDirectoryInfo(DiscFileSystem fileSystem, string path)
    {
        FileSystem = fileSystem;
        FullName = path;
    }

    public DiscFileSystem FileSystem { get; }
    public string FullName { get; }
    public bool Exists => FileSystem.DirectoryExists(FullName);
}
