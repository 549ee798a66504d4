using System.Collections.ObjectModel;
using System.Collections.Specialized;
using System.Text;
using DiscUtils.Streams;
using DiscUtils.Vfs;

#pragma warning disable CS1591

namespace DiscUtils
{
    /// <summary>Stand-in: parameters of a file system that is opened.</summary>
    public sealed class FileSystemParameters
    {
        public Encoding? FileNameEncoding { get; set; }
        public StringDictionary Parameters { get; } = [];
    }

    /// <summary>Stand-in: a volume of a disk.</summary>
    public abstract class VolumeInfo : MarshalByRefObject
    {
        internal VolumeInfo()
        {
        }

        public abstract long Length { get; }

        public abstract SparseStream Open();
    }

    /// <summary>Stand-in: a file system that was detected.</summary>
    public abstract class FileSystemInfo
    {
        public abstract string Description { get; }
        public abstract string Name { get; }

        public DiscFileSystem Open(VolumeInfo volume) => Open(volume, null);

        public DiscFileSystem Open(Stream stream) => Open(stream, null);

        public abstract DiscFileSystem Open(VolumeInfo volume, FileSystemParameters? parameters);

        public abstract DiscFileSystem Open(Stream stream, FileSystemParameters? parameters);
    }

    /// <summary>Stand-in: the registry of detectors.</summary>
    public static class FileSystemManager
    {
        private static readonly List<VfsFileSystemFactory> s_factories = [];

        public static void RegisterFileSystems(VfsFileSystemFactory factory)
        {
            lock (s_factories)
            {
                s_factories.Add(factory);
            }
        }

        public static ReadOnlyCollection<FileSystemInfo> DetectFileSystems(Stream stream)
        {
            var buffered = new BufferedStream(stream);
            lock (s_factories)
            {
                return new ReadOnlyCollection<FileSystemInfo>([.. s_factories.SelectMany(f => f.Detect(buffered, null))]);
            }
        }
    }
}

namespace DiscUtils.Vfs
{
    /// <summary>Stand-in: opens a stream as a file system.</summary>
    public delegate DiscFileSystem VfsFileSystemOpener(Stream stream, VolumeInfo? volumeInfo, FileSystemParameters? parameters);

    /// <summary>Stand-in: marks a detector.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class VfsFileSystemFactoryAttribute : Attribute;

    /// <summary>Stand-in: a detector.</summary>
    public abstract class VfsFileSystemFactory
    {
        public IEnumerable<FileSystemInfo> Detect(Stream stream) => Detect(stream, null);

        public abstract IEnumerable<FileSystemInfo> Detect(Stream stream, VolumeInfo? volumeInfo);
    }

    /// <summary>Stand-in: a detected file system with a delegate that opens it.</summary>
    public sealed class VfsFileSystemInfo(string name, string description, VfsFileSystemOpener openDelegate) : FileSystemInfo
    {
        public override string Description => description;
        public override string Name => name;

        public override DiscFileSystem Open(VolumeInfo volume, FileSystemParameters? parameters)
        {
            ArgumentNullException.ThrowIfNull(volume);
            return openDelegate(volume.Open(), volume, parameters);
        }

        public override DiscFileSystem Open(Stream stream, FileSystemParameters? parameters) => openDelegate(stream, null, parameters);
    }
}
