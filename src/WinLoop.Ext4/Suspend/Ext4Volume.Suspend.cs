using WinLoop.Ext4.Suspend;
using WinLoop.Storage;

namespace WinLoop.Ext4;

// Sleep of the machine: the image is left whole and clean, and looked at again before it is used.
public sealed partial class Ext4Volume
{
    internal ImageWitness Witness { get; set; } = null!;

    /// <summary>
    /// Before the machine sleeps: commits, brings everything home, empties the log and marks the volume clean, as an
    /// unmount does. Files stay open and the volume can be used; the next change marks it as in use again, after the
    /// image was compared with what was left.
    /// </summary>
    /// <exception cref="Ext4Exception">EIO: the journal was aborted by this.</exception>
    /// <exception cref="BlockDeviceException">The flush failed on a volume that was not changed but for content.</exception>
    public void Suspend()
    {
        try
        {
            if (IsReadOnly || !Journal.IsActive)
            {
                FlushContent();
            }
            else
            {
                Journal.Quiesce();
            }
            Witness.Doubt();
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>
    /// After the machine slept: compares the image with what was last written to it. If somebody else has changed it, the
    /// volume is read-only from then on (<see cref="ReadOnlyReason"/>), nothing more is written, and what has to be read
    /// from the image fails. Called or not, the first access after a sleep that the system's clocks show does the same.
    /// </summary>
    /// <returns>False if it was changed, or cannot be read yet; in that case the next access asks again.</returns>
    public bool Resume()
    {
        Witness.Doubt();
        return TryVerify();
    }

    /// <summary>Flushes what was written without a transaction: content over content, in files whose times did not
    /// change by it.</summary>
    internal void FlushContent()
    {
        if (Witness.HasUnflushed && !IsReadOnly)
        {
            FlushOrAbort();
        }
    }

    /// <summary>Looks at the clocks; called by the commit thread, so that a change is found although nobody reads.</summary>
    internal void CheckForSleep() => TryVerify();

    private bool TryVerify()
    {
        try
        {
            Witness.Verify();
            return true;
        }
        catch (BlockDeviceException)
        {
            return false;
        }
    }

    private void OnImageChanged(BlockDeviceException change) => Journal.Abort(change);
}
