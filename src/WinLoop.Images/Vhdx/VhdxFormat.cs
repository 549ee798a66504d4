using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>VHDX, Microsoft's current format of virtual disks: that of Hyper-V, and of WSL's ext4.vhdx.</summary>
public sealed class VhdxFormat : IImageFormat
{
    /// <summary>For the user whose VHDX is in use by somebody else: who that may be, and what to do. Goes after the
    /// message of <see cref="BlockDeviceError.Busy"/>.</summary>
    public const string BusyHint =
        "If it is the disk of a WSL distribution, end it first (wsl --terminate NAME, or wsl --shutdown for all); " +
        "if it is that of a virtual machine, turn that off; if Windows has attached it, detach it (Dismount-VHD).";

    /// <inheritdoc/>
    public string Name => "VHDX";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file) => IsVhdx(file);

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        return IsVhdx(file) ? VhdxOpener.Open(file, options) : throw VhdxError.Damaged("the file does not begin as a VHDX does");
    }

    internal static bool IsVhdx(IBlockDevice file)
    {
        Span<byte> start = stackalloc byte[8];
        if (file.Length < start.Length)
        {
            return false;
        }

        file.Read(start, 0);
        return start.SequenceEqual(VhdxLayout.Signature);
    }
}
