namespace WinLoop.Ext4.Tests.Files;

/// <summary>Draws random operations and applies them to the engine and to the models.</summary>
internal sealed class ContentRun(Random random, int blockSize, int files)
{
    private const int SmallFile = 3 << 20;

    private readonly Queue<string> _history = [];
    private readonly byte[] _buffer = new byte[1 << 20];
    private Ext4Volume _volume = null!;
    private Inode[] _inodes = [];
    private int _steps;

    public FileModel[] Models { get; } = [.. Enumerable.Range(0, files).Select(_ => new FileModel(blockSize))];

    public string History => string.Join("\n", _history);

    public void Attach(Ext4Volume volume, uint[] inodes)
    {
        _volume = volume;
        _inodes = [.. inodes.Select(volume.GetInode)];
    }

    public void Detach()
    {
        foreach (Inode inode in _inodes)
        {
            _volume.Release(inode);
        }
    }

    public void AssertAllEqual(string when)
    {
        for (int i = 0; i < files; i++)
        {
            AssertEqual(i, when);
        }
    }

    /// <summary>
    /// Frees what was allocated behind the end of the files: e2fsck 1.47 takes an index node that lies behind
    /// the end in a tree of depth 2 for damage, also in files that the kernel made.
    /// </summary>
    public void DropBlocksBehindEnd()
    {
        for (int file = 0; file < files; file++)
        {
            _volume.SetAttributes(_inodes[file], new AttributeChanges { Size = Models[file].Size }, Caller.Root);
        }
    }

    public void Step()
    {
        int file = random.Next(files);
        Inode inode = _inodes[file];
        FileModel model = Models[file];
        _steps++;
        if (_volume.Blocks.AvailableBlocks < _volume.Geometry.BlocksCount / 4)
        {
            Note(file, "make room");
            _volume.SetAttributes(inode, new AttributeChanges { Size = 0 }, Caller.Root);
            model.SetSize(0);
        }
        switch (random.Next(20))
        {
            case < 7: Write(file, Offset(model)); break;
            case 7: Write(file, model.Size); break;
            case 8: Stride(file); break;
            case 9: Truncate(file); break;
            case 10: Allocate(file, random.Next(2) == 0 ? AllocateMode.Default : AllocateMode.KeepSize); break;
            case 11: Allocate(file, AllocateMode.Default); break;
            case 12 or 13: Allocate(file, AllocateMode.PunchHole | AllocateMode.KeepSize); break;
            case 14: Allocate(file, AllocateMode.ZeroRange | (AllocateMode)random.Next(2)); break;
            case 15: Shift(file, AllocateMode.CollapseRange); break;
            case 16: Shift(file, AllocateMode.InsertRange); break;
            case 17: Seek(file); break;
            case 18: _volume.Synchronize(inode, random.Next(2) == 0); break;
            default: Read(file); break;
        }
        if (_steps % 50 == 0)
        {
            AssertEqual(file, $"step {_steps}");
        }
    }

    private void Write(int file, long offset)
    {
        int length = random.Next(4) switch
        {
            0 => random.Next(1, 200),
            1 => blockSize * random.Next(1, 5),
            2 => random.Next(1, 5 * blockSize),
            _ => random.Next(1, 300_000),
        };
        Span<byte> data = _buffer.AsSpan(0, length);
        random.NextBytes(data);
        Note(file, $"write {offset}+{length}");
        int written = _volume.Write(_inodes[file], data, offset, Caller.Root);
        Assert.Equal(length, written);
        Models[file].Write(data, offset);
    }

    // Single blocks with holes or older blocks in between.
    private void Stride(int file)
    {
        int count = random.Next(50, 700), step = random.Next(2, 4), length = random.Next(1, blockSize);
        long start = random.Next(3) == 0 ? Offset(Models[file]) : random.Next(SmallFile);
        bool isBackwards = random.Next(3) == 0, isPunch = random.Next(3) == 0;
        Note(file, $"{(isPunch ? "punch" : "write")} {count} x {length} from {start}, every {step} blocks{(isBackwards ? ", backwards" : "")}");
        Span<byte> data = _buffer.AsSpan(0, length);
        random.NextBytes(data);
        for (int i = 0; i < count; i++)
        {
            long offset = start + ((long)(isBackwards ? count - 1 - i : i) * step * blockSize);
            if (isPunch)
            {
                _volume.Allocate(_inodes[file], AllocateMode.PunchHole | AllocateMode.KeepSize, offset, blockSize, Caller.Root);
                Models[file].Zero(offset, offset + blockSize);
            }
            else
            {
                Assert.Equal(length, _volume.Write(_inodes[file], data, offset, Caller.Root));
                Models[file].Write(data, offset);
            }
        }
    }

    private void Truncate(int file)
    {
        FileModel model = Models[file];
        long size = random.Next(5) switch
        {
            0 => 0,
            1 => Math.Max(0, model.Size - random.Next(10 * blockSize)),
            2 => model.Size + random.Next(10 * blockSize),
            _ => random.NextInt64(SmallFile),
        };
        Note(file, $"truncate from {model.Size} to {size}");
        _volume.SetAttributes(_inodes[file], new AttributeChanges { Size = size }, Caller.Root);
        model.SetSize(size);
    }

    private void Allocate(int file, AllocateMode mode)
    {
        FileModel model = Models[file];
        long offset = Offset(model);
        long length = random.Next(3) == 0 ? random.Next(1, 3 * blockSize) : random.Next(1, 1 << 20);
        Note(file, $"allocate {mode} {offset}+{length}");
        _volume.Allocate(_inodes[file], mode, offset, length, Caller.Root);
        if ((mode & (AllocateMode.PunchHole | AllocateMode.ZeroRange)) != 0)
        {
            model.Zero(offset, offset + length);
        }
        if ((mode & AllocateMode.KeepSize) == 0 && offset + length > model.Size)
        {
            model.SetSize(offset + length);
        }
    }

    private void Shift(int file, AllocateMode mode)
    {
        FileModel model = Models[file];
        long blocks = model.Size / blockSize;
        long offset = random.NextInt64(Math.Min(blocks, SmallFile / blockSize) + 1) * blockSize;
        long length = random.Next(1, 400) * blockSize;
        bool isCollapse = mode == AllocateMode.CollapseRange;
        bool isValid = isCollapse ? offset + length < model.Size : offset < model.Size;
        Note(file, $"{mode} {offset}+{length} of {model.Size}");
        if (!isValid)
        {
            Assert.Equal(Errno.EINVAL, Assert.Throws<Ext4Exception>(() => _volume.Allocate(_inodes[file], mode, offset, length, Caller.Root)).Errno);
            return;
        }
        _volume.Allocate(_inodes[file], mode, offset, length, Caller.Root);
        if (isCollapse)
        {
            model.Collapse(offset, length);
        }
        else
        {
            model.Insert(offset, length);
        }
    }

    private void Seek(int file)
    {
        FileModel model = Models[file];
        long offset = Offset(model);
        Note(file, $"seek {offset}");
        if (offset >= model.Size)
        {
            Assert.Equal(Errno.ENXIO, Assert.Throws<Ext4Exception>(() => _volume.Seek(_inodes[file], offset, hole: true)).Errno);
            return;
        }
        long data = model.Size, hole = _volume.Seek(_inodes[file], offset, hole: true);
        try
        {
            data = _volume.Seek(_inodes[file], offset, hole: false);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENXIO)
        {
        }
        Assert.True((data == offset) != (hole == offset), $"{offset} is data from {data} and hole from {hole}");
        // What is said to be a hole is zero.
        var bytes = new byte[blockSize];
        foreach (long page in model.PageOffsets.Where(p => p + blockSize > offset && p < data))
        {
            model.Read(bytes, page);
            int from = (int)Math.Max(0, offset - page), to = (int)Math.Min(blockSize, data - page);
            Assert.True(bytes.AsSpan(from, to - from).IndexOfAnyExcept((byte)0) < 0, $"data before {data}, at {page}");
        }
    }

    private void Read(int file)
    {
        FileModel model = Models[file];
        long offset = Offset(model);
        int length = random.Next(1, 400_000);
        Note(file, $"read {offset}+{length}");
        int expected = (int)Math.Clamp(model.Size - offset, 0, length);
        Assert.Equal(expected, _volume.Read(_inodes[file], _buffer.AsSpan(0, length), offset));
        var content = new byte[expected];
        model.Read(content, offset);
        Assert.True(content.AsSpan().SequenceEqual(_buffer.AsSpan(0, expected)), $"content of {offset}+{expected}");
    }

    private long Offset(FileModel model) => random.Next(12) switch
    {
        0 => 0,
        1 => model.Size,
        2 => model.Size / blockSize * blockSize,
        3 => random.Next(SmallFile) / blockSize * blockSize,
        4 => model.Size + random.Next(20 * blockSize),
        5 when random.Next(4) == 0 => random.NextInt64(1L << 40),
        _ => random.NextInt64(Math.Clamp(model.Size, 1, SmallFile)),
    };

    private void AssertEqual(int file, string when) =>
        Models[file].AssertEqual((offset, buffer) => _volume.Read(_inodes[file], buffer, offset),
            _volume.GetAttributes(_inodes[file]).Size, $"f{file} {when}");

    private void Note(int file, string what)
    {
        _history.Enqueue($"{_steps}: f{file} {what}");
        if (_history.Count > 40)
        {
            _history.Dequeue();
        }
    }
}
