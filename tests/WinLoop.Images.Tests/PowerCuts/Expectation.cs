namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>What a disk may hold after a cut: what the last flush promised, and for every byte that was written since
/// then also what was written.</summary>
internal sealed class Expectation(byte[] promised)
{
    private readonly List<(long Offset, byte[] Data)> _since = [];

    /// <summary>A write was begun, or (null) a flush has returned.</summary>
    public void Add(long offset, byte[]? data)
    {
        if (data is not null)
        {
            _since.Add((offset, data));
            return;
        }

        foreach ((long at, byte[] bytes) in _since)
        {
            bytes.CopyTo(promised, at);
        }

        _since.Clear();
    }

    /// <summary>Null, or what is wrong.</summary>
    public string? Check(ReadOnlySpan<byte> content)
    {
        if (content.Length != promised.Length)
        {
            return $"the disk has {content.Length} bytes, not {promised.Length}";
        }

        int at = 0;
        while (true)
        {
            at += content[at..].CommonPrefixLength(promised.AsSpan(at));
            if (at == content.Length)
            {
                return null;
            }

            byte value = content[at];
            int place = at;
            if (!_since.Exists(write => place >= write.Offset && place < write.Offset + write.Data.Length && write.Data[place - write.Offset] == value))
            {
                return $"byte {at} of the disk is {value:x2}, promised was {promised[at]:x2}";
            }

            at++;
        }
    }
}
