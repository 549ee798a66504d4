using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// The way of every change of metadata into the file, and the rules for the guids of the header.
/// </summary>
/// <remarks>
/// Order of a commit: (1) copy the dirty pages; (2) flush, which makes durable what the new entries point to, and what the
/// commit before wrote in place; (3) write one entry of the log with all pages, flush; (4) write the pages in place. A
/// cut before the end of (3) leaves the state of the commit before, a later one is mended by the entry.
/// Locks: the commit lock, then the map lock. No I/O is done under the map lock except for what makes space in the file.
/// </remarks>
internal sealed class MetadataWriter(IGrowableDevice file, VhdxHeaders headers)
{
    // So that a change of several pages finds room without a commit in most cases.
    private const int Capacity = LogWriter.MaxSectors;

    private readonly Lock _commitLock = new();
    private readonly List<MetadataPage> _dirty = new(Capacity);
    private readonly long[] _offsets = new long[Capacity];
    private byte[]? _copies;
    private LogWriter? _log;
    private volatile bool _isMarked;
    private bool _isLogActive;
    private BlockDeviceException? _failure;

    /// <summary>Guards changes of pages, and the space in the file.</summary>
    public Lock MapLock { get; } = new();

    /// <summary>The file.</summary>
    public IGrowableDevice File => file;

    /// <summary>The header as it is now.</summary>
    public VhdxHeader Header => headers.Current;

    /// <summary>Whether so many more pages can be changed before a commit. Under the map lock.</summary>
    public bool HasRoom(int pages) => _dirty.Count + pages <= Capacity;

    /// <summary>The page was changed. Under the map lock, and with room.</summary>
    public void MarkDirty(MetadataPage page)
    {
        if (!page.IsDirty)
        {
            page.IsDirty = true;
            _dirty.Add(page);
        }
    }

    /// <summary>Before any change: fails if an earlier one could not be made durable, and gives the file its new guids
    /// if it is the first.</summary>
    public void BeginChange()
    {
        ThrowIfFailed();
        if (_isMarked)
        {
            return;
        }

        lock (_commitLock)
        {
            if (_isMarked)
            {
                return;
            }

            // Everything in a VHDX lies at multiples of 1 MiB; some writers leave the last one short.
            if (VhdxLayout.AlignUp(file.Length) is var length && length != file.Length)
            {
                file.SetLength(length);
            }

            Guarded(static self => self.MarkFile());
        }
    }

    /// <summary>Makes durable what was changed before: content, mapping, bitmaps.</summary>
    public void Commit()
    {
        lock (_commitLock)
        {
            ThrowIfFailed();
            Guarded(static self => self.CommitDirty());
        }
    }

    /// <summary>Commits and says in the header that the log is empty. What fails here is mended at the next opening.</summary>
    public void Close()
    {
        lock (_commitLock)
        {
            if (_failure is null && _isMarked)
            {
                Guarded(static self => self.CommitDirty());
                if (_isLogActive)
                {
                    Guarded(static self => self.EmptyLog());
                }
            }
        }
    }

    private void MarkFile()
    {
        headers.Replace(file, headers.Current with { FileWriteGuid = Guid.NewGuid(), DataWriteGuid = Guid.NewGuid() });
        _isMarked = true;
    }

    private void CommitDirty()
    {
        int count;
        long fileLength;
        lock (MapLock)
        {
            count = _dirty.Count;
            fileLength = file.Length;
            if (count > 0)
            {
                _copies ??= GC.AllocateUninitializedArray<byte>(Capacity * VhdxLayout.Sector, pinned: true);
            }

            for (int i = 0; i < count; i++)
            {
                _offsets[i] = _dirty[i].Offset;
                _dirty[i].Bytes.CopyTo(_copies.AsSpan(i * VhdxLayout.Sector));
                _dirty[i].IsDirty = false;
            }

            _dirty.Clear();
        }

        file.Flush();
        if (count == 0)
        {
            return;
        }

        _log ??= new LogWriter(file, headers.Current);
        _log.Write(_offsets.AsSpan(0, count), _copies.AsSpan(0, count * VhdxLayout.Sector), fileLength);
        file.Flush();
        if (!_isLogActive)
        {
            // Only now, so that a log that the header names has an entry at every moment.
            headers.Replace(file, headers.Current with { LogGuid = _log.Guid });
            _isLogActive = true;
        }

        for (int i = 0; i < count; i++)
        {
            file.Write(_copies.AsSpan(i * VhdxLayout.Sector, VhdxLayout.Sector), _offsets[i], WriteTag.Metadata);
        }
    }

    private void EmptyLog()
    {
        file.Flush();
        headers.Replace(file, headers.Current with { LogGuid = Guid.Empty });
        _isLogActive = false;
    }

    /// <summary>After a failure in the middle nobody knows what is durable, so there is no second try.</summary>
    private void Guarded(Action<MetadataWriter> action)
    {
        try
        {
            action(this);
        }
        catch (BlockDeviceException e)
        {
            Volatile.Write(ref _failure, e);
            throw;
        }
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }
    }
}
