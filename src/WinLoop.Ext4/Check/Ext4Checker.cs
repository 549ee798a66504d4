using WinLoop.Storage;

namespace WinLoop.Ext4.Check;

/// <summary>Checks whether a volume is consistent: all that e2fsck's five passes look at, on the features this
/// engine reads. Never writes to the device.</summary>
public static class Ext4Checker
{
    /// <summary>Checks a volume that nobody is writing to.</summary>
    /// <param name="device">The volume; only read.</param>
    /// <param name="options">How.</param>
    /// <exception cref="Ext4NotSupportedException">The volume uses a feature this engine does not read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled by the caller.</exception>
    public static CheckReport Check(IBlockDevice device, CheckOptions? options = null) => new CheckSession().Check(device, options);
}
