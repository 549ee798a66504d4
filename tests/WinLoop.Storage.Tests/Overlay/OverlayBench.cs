using System.Security.Cryptography;
using WinLoop.Storage.Overlay;

namespace WinLoop.Storage.Tests.Overlay;

/// <summary>Overlays over devices in memory.</summary>
internal static class OverlayBench
{
    internal const long Time = 638_000_000_000_000_000;

    /// <summary>An overlay file without changes, for a base.</summary>
    internal static MemoryFile NewFile(IBlockDevice image)
    {
        var file = new MemoryFile(new OverlayLayout(image.Length).FileLength);
        OverlayFile.Format(file, new OverlayHeader(Guid.NewGuid(), BaseFingerprint.Of(image, Time), Time, "/somewhere/base.img"));
        return file;
    }

    internal static OverlayFileDevice Open(IBlockDevice image, IBlockDevice file) => OverlayFile.Attach(image, Time, file);

    internal static string Hash(IBlockDevice device)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (long offset = 0; offset < device.Length; offset += buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, device.Length - offset));
            device.Read(part, offset);
            hash.AppendData(part);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    internal static byte[] All(IBlockDevice device)
    {
        byte[] bytes = new byte[checked((int)device.Length)];
        device.Read(bytes, 0);
        return bytes;
    }

    /// <summary>What a power cut may leave of the changes that no flush has made certain: some of them, in any order of
    /// arrival, the last sectors of one missing.</summary>
    internal static List<RecordedOperation> SomeOf(List<RecordedOperation> pending, Random random)
    {
        var list = new List<RecordedOperation>();
        foreach (RecordedOperation operation in pending)
        {
            switch (random.Next(4))
            {
                case 0:
                    break;
                case 1 when operation.Kind == RecordedKind.Write && operation.Length > OverlayLayout.SectorSize:
                    for (long sector = 0; sector < operation.Length; sector += OverlayLayout.SectorSize)
                    {
                        if (random.Next(2) == 0)
                        {
                            list.Add(operation.Part(sector, Math.Min(OverlayLayout.SectorSize, operation.Length - sector)));
                        }
                    }

                    break;
                default:
                    list.Add(operation);
                    break;
            }
        }

        return list;
    }
}
