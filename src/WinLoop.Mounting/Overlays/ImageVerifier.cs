using System.Security.Cryptography;
using WinLoop.Storage;

namespace WinLoop.Mounting.Overlays;

/// <summary>The SHA-256 of an image before a mount and after it: the file that was open all the time, all of it.</summary>
public sealed class ImageVerifier : IDisposable
{
    private const int BufferSize = 1 << 20;

    private readonly LoopDevice _image;

    private ImageVerifier(LoopDevice image)
    {
        _image = image;
        Before = Compute();
    }

    /// <summary>The hash before the mount, in lower-case hexadecimal.</summary>
    public string Before { get; }

    /// <summary>The hash after the mount; null until <see cref="Finish"/>.</summary>
    public string? After { get; private set; }

    /// <summary>Opens an image beside its mount and hashes it.</summary>
    /// <param name="image">Absolute path; locked by the mount already.</param>
    /// <exception cref="BlockDeviceException">It cannot be read.</exception>
    public static ImageVerifier Start(string image)
    {
        LoopDevice device = LoopDevice.Open(image, new LoopDeviceOptions { IsReadOnly = true, IsShared = true, IsExact = true });
        try
        {
            return new ImageVerifier(device);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Hashes it again.</summary>
    /// <exception cref="BlockDeviceException">It cannot be read.</exception>
    public void Finish() => After = Compute();

    /// <summary>The failure when the hashes differ.</summary>
    public static MountException Changed(string image, string before, string after) => new(MountError.Failed, $"{image} has changed while it was mounted",
        $"its SHA-256 was {before} and is {after}", "The mount writes nothing to it: somebody else has.");

    /// <inheritdoc/>
    public void Dispose() => _image.Dispose();

    private string Compute()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[BufferSize];
        for (long offset = 0; offset < _image.Length; offset += buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, _image.Length - offset));
            _image.Read(part, offset);
            hash.AppendData(part);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
