using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>The opens that the driver knows, by the number it was given for each: an index and a generation, so that
/// a number of an open that is over is not taken for another one's.</summary>
internal sealed class FileTable
{
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();
    private Slot[] _slots = new Slot[64];
    private int _used;
    private int _count;

    /// <summary>Opens that are not closed.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Gives an open its number, which is never 0.</summary>
    public ulong Add(WindowsFile file)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out int index))
            {
                if (_used == _slots.Length)
                {
                    Slot[] larger = new Slot[_slots.Length * 2];
                    _slots.CopyTo(larger, 0);
                    Volatile.Write(ref _slots, larger);
                }
                index = _used++;
            }
            Slot slot = _slots[index] = new Slot(file, _slots[index].Generation + 1);
            _count++;
            return Key(index, slot.Generation);
        }
    }

    /// <summary>The open of a number; null if it is none.</summary>
    public WindowsFile? Find(ulong key)
    {
        Slot[] slots = Volatile.Read(ref _slots);
        uint index = (uint)key - 1;
        if (index >= (uint)slots.Length)
        {
            return null;
        }
        Slot slot = slots[index];
        return slot.Generation == (uint)(key >> 32) ? slot.File : null;
    }

    /// <summary>Ends a number; returns its open, null if it was none.</summary>
    public WindowsFile? Remove(ulong key)
    {
        lock (_gate)
        {
            WindowsFile? file = Find(key);
            if (file is not null)
            {
                int index = (int)((uint)key - 1);
                _slots[index] = new Slot(null, _slots[index].Generation);
                _free.Push(index);
                _count--;
            }
            return file;
        }
    }

    /// <summary>Ends all numbers.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _slots = new Slot[64];
            _free.Clear();
            _used = 0;
            _count = 0;
        }
    }

    private static ulong Key(int index, uint generation) => ((ulong)generation << 32) | ((uint)index + 1);

    private readonly record struct Slot(WindowsFile? File, uint Generation);
}
