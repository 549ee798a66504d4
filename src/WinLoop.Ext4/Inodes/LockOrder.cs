using System.Diagnostics;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Inodes;

/// <summary>
/// Asserts the order of locks (docs/design.md, "Threads and locks") in debug builds: rename lock, inode locks with
/// directories first, handle, the rest. What it cannot see is the order among directories, which follows from the tree.
/// </summary>
internal static class LockOrder
{
    [ThreadStatic]
    private static List<InodeLock>? t_held;

    /// <summary>Before the rename lock is taken.</summary>
    [Conditional("DEBUG")]
    public static void EnteringRename()
    {
        Debug.Assert(!JournalManager.IsHandleOpen, "The rename lock comes before handles.");
        Debug.Assert(t_held is not { Count: > 0 }, "The rename lock comes before inode locks.");
    }

    /// <summary>Before a commit is waited for.</summary>
    [Conditional("DEBUG")]
    public static void EnteringCommit() => Debug.Assert(!JournalManager.IsHandleOpen, "A commit waits for handles: none may be open.");

    /// <summary>Before an inode lock is waited for.</summary>
    [Conditional("DEBUG")]
    public static void EnteringInode(InodeLock wanted)
    {
        Debug.Assert(!JournalManager.IsHandleOpen, "Inode locks come before handles.");
        if (t_held is { Count: > 0 } held)
        {
            Debug.Assert(!held.Contains(wanted), "An inode lock is not recursive.");
            Debug.Assert(!wanted.IsDirectory || held.TrueForAll(l => l.IsDirectory), "Directories come before other inodes.");
        }
    }

    /// <summary>An inode lock was taken.</summary>
    [Conditional("DEBUG")]
    public static void EnteredInode(InodeLock taken) => (t_held ??= []).Add(taken);

    /// <summary>An inode lock was given back.</summary>
    [Conditional("DEBUG")]
    public static void LeftInode(InodeLock left) =>
        Debug.Assert(t_held?.Remove(left) == true, "The lock was not held by this thread.");
}
