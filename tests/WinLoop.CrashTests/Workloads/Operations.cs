using System.Globalization;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>What the engine answered.</summary>
/// <param name="Error">0 or an errno.</param>
/// <param name="Count">Bytes written by a write.</param>
/// <param name="Content">What a file holds after an operation that failed half-way.</param>
internal readonly record struct Outcome(int Error, int Count = 0, byte[]? Content = null);

/// <summary>
/// The operations of a workload. Each is a line of text, so that a workload can be printed, shrunk and replayed:
/// a word and its arguments, for example <c>write A/x 0 3000 7</c> (path, offset, length, seed of the content).
/// </summary>
internal static class Operations
{
    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>True for what makes promises and changes nothing.</summary>
    public static bool IsPersistence(string operation) =>
        operation.Split(' ')[0] is "sync" or "suspend" or "fsync" or "fdatasync" or "unmount" or "remount";

    /// <summary>Does it.</summary>
    public static Outcome Do(EngineDriver driver, string operation)
    {
        string[] t = operation.Split(' ');
        int count = 0;
        try
        {
            Perform(driver, operation, ref count);
            return new Outcome(0, count);
        }
        catch (Ext4Exception e)
        {
            byte[]? content = null;
            if (IsContent(operation))
            {
                try
                {
                    content = driver.ReadAll(t[1]);
                }
                catch (Ext4Exception)
                {
                    // No such file, or none that has content.
                }
            }
            return new Outcome((int)e.Errno, 0, content);
        }
    }

    /// <summary>True for what changes the content of a file.</summary>
    public static bool IsContent(string operation) => operation.Split(' ')[0] is "write" or "append" or "truncate" or "falloc" or "punch" or "zero" or "collapse" or "insert";

    /// <summary>Does it, and lets what the engine throws through.</summary>
    /// <param name="driver">The engine.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="count">Set to the bytes that a write has written.</param>
    public static void Perform(EngineDriver driver, string operation, ref int count)
    {
        string[] t = operation.Split(' ');
        Ext4Volume volume = driver.Volume;
        switch (t[0])
        {
            case "create":
                driver.OnParent(t[1], (d, n) => volume.Release(volume.Create(d, n, InodeMode.Regular | 0x1A4, 0, Caller.Root)));
                break;
            case "mkdir":
                driver.OnParent(t[1], (d, n) => volume.Release(volume.CreateDirectory(d, n, 0x1ED, Caller.Root)));
                break;
            case "mknod":
                driver.OnParent(t[1], (d, n) => volume.Release(volume.Create(d, n, InodeMode.BlockDevice | 0x1A0, 0x801, Caller.Root)));
                break;
            case "symlink":
                driver.OnParent(t[1], (d, n) => volume.Release(volume.CreateSymlink(d, n, EngineDriver.Bytes(Target(t[2])), Caller.Root)));
                break;
            case "tmpfile":
                driver.CreateTemporary(t[1], t[2]);
                break;
            case "open":
                driver.Hold(t[1], t[2]);
                break;
            case "close":
                driver.Close(t[1]);
                break;
            case "link":
                driver.Link(t[1], t[2]);
                break;
            case "unlink":
                driver.OnParent(t[1], (d, n) => volume.Unlink(d, n));
                break;
            case "rmdir":
                driver.OnParent(t[1], (d, n) => volume.RemoveDirectory(d, n));
                break;
            case "rename" or "exchange" or "whiteout":
                driver.Rename(t[1], t[2], FlagsOf(t[0]));
                break;
            case "replace":
                driver.Replace(t[1], TypeOf(t[2]), t.Length > 3 ? Target(t[3]) : "");
                break;
            case "write":
                count = driver.OnInode(t[1], f => volume.Write(f, Content.Of(Int(t[4]), Int(t[3])), Int(t[2]), Caller.Root));
                break;
            case "append":
                count = driver.OnInode(t[1], f => volume.Write(f, Content.Of(Int(t[3]), Int(t[2])), 0, Caller.Root, mode: WriteMode.Append));
                break;
            case "truncate":
                driver.Change(t[1], new AttributeChanges { Size = Int(t[2]) });
                break;
            case "falloc" or "punch" or "zero" or "collapse" or "insert":
                driver.OnInode(t[1], f => volume.Allocate(f, ModeOf(t[0]), Int(t[2]), Int(t[3]), Caller.Root));
                break;
            case "setxattr":
                driver.OnInode(t[1], f =>
                {
                    if (!f.IsRegular && !f.IsDirectory)
                    {
                        throw new Ext4Exception(Errno.EPERM); // the VFS allows user attributes on files and directories only
                    }
                    volume.SetExtendedAttribute(f, EngineDriver.Bytes(t[2]), Content.Of(Int(t[4]), Int(t[3])), AttributeSetMode.CreateOrReplace);
                });
                break;
            case "rmxattr":
                driver.OnInode(t[1], f => volume.RemoveExtendedAttribute(f, EngineDriver.Bytes(t[2])));
                break;
            case "chmod":
                driver.Change(t[1], new AttributeChanges { Mode = (ushort)Convert.ToInt32(t[2], 8) });
                break;
            case "chown":
                driver.Change(t[1], new AttributeChanges { Uid = (uint)Int(t[2]), Gid = (uint)Int(t[3]) });
                break;
            case "utimes":
                var time = new Timestamp(Int(t[2]), 123_456_789);
                driver.Change(t[1], new AttributeChanges { AccessTime = time, ModifyTime = time, HasGivenTimes = true });
                break;
            case "chattr":
                driver.OnInode(t[1], f => volume.SetFlags(f, (f.Flags & InodeFlags.UserVisible & ~TreeEntry.ComparedFlags) | (InodeFlags)Int(t[2]), Caller.Root));
                break;
            case "label":
                volume.SetLabel(t[1]);
                break;
            case "fsync":
                driver.OnInode(t[1], f => volume.Synchronize(f, dataOnly: false));
                break;
            case "fdatasync":
                driver.OnInode(t[1], f => volume.Synchronize(f, dataOnly: true));
                break;
            case "sync":
                volume.Synchronize();
                break;
            case "checkpoint":
                volume.Journal.CheckpointAll(); // what a full log does by itself
                break;
            case "suspend":
                volume.Suspend();
                volume.Resume();
                break;
            default:
                throw new ArgumentException($"'{t[0]}' is no operation");
        }
    }

    /// <summary>Does the same to the model.</summary>
    public static void Note(CrashModel model, string operation, Outcome outcome)
    {
        string[] t = operation.Split(' ');
        if (outcome.Error != 0)
        {
            if (outcome.Content is { } left && !left.AsSpan().SequenceEqual(model.Find(t[1]).Content))
            {
                model.SetContent(t[1], left);
            }
            return;
        }
        switch (t[0])
        {
            case "create":
                model.Add(t[1], InodeMode.Regular | 0x1A4);
                break;
            case "mkdir":
                model.Add(t[1], InodeMode.Directory | 0x1ED);
                break;
            case "mknod":
                model.Add(t[1], InodeMode.BlockDevice | 0x1A0, 0x801);
                break;
            case "symlink":
                model.Add(t[1], InodeMode.Symlink | 0x1FF, 0, Target(t[2]));
                break;
            case "tmpfile":
                model.AddTemporary(t[2], InodeMode.Regular | 0x1A4);
                break;
            case "open":
                model.Hold(t[1], t[2]);
                break;
            case "link":
                model.Link(t[1], t[2]);
                break;
            case "unlink" or "rmdir":
                model.Remove(t[1]);
                break;
            case "rename" or "exchange" or "whiteout":
                model.Rename(t[1], t[2], FlagsOf(t[0]));
                break;
            case "replace":
                model.Replace(t[1], TypeOf(t[2]), t.Length > 3 ? Target(t[3]) : "");
                break;
            case "label":
                model.SetLabel(t[1]);
                break;
            case "setxattr" or "rmxattr" or "chmod" or "chown" or "utimes" or "chattr":
                NoteAttributes(model, t);
                break;
            default:
                if (IsContent(operation))
                {
                    model.SetContent(t[1], NewContent(model.Find(t[1]).Content, t, outcome.Count));
                }
                break;
        }
    }

    private static void NoteAttributes(CrashModel model, string[] t)
    {
        CrashModel.Node node = model.Find(t[1]);
        switch (t[0])
        {
            case "setxattr":
                node.Attributes[t[2]] = Content.Of(Int(t[4]), Int(t[3]));
                break;
            case "rmxattr":
                node.Attributes.Remove(t[2]);
                break;
            case "chmod":
                node.Mode = (ushort)((node.Mode & InodeMode.TypeMask) | Convert.ToInt32(t[2], 8));
                break;
            case "chown":
                node.Uid = (uint)Int(t[2]);
                node.Gid = (uint)Int(t[3]);
                break;
            case "chattr":
                node.Flags = (InodeFlags)Int(t[2]);
                break;
        }
        node.Changed(model.Step);
    }

    /// <summary>What a file holds after an operation on its content, of which a write has written that many bytes.</summary>
    public static byte[] NewContent(byte[] old, string[] t, int count)
    {
        int offset = t[0] == "append" ? old.Length : Int(t[2]);
        switch (t[0])
        {
            case "write" or "append":
                byte[] data = t[0] == "append" ? Content.Of(Int(t[3]), Int(t[2])) : Content.Of(Int(t[4]), Int(t[3]));
                byte[] written = Resized(old, Math.Max(old.Length, offset + count));
                data.AsSpan(0, count).CopyTo(written.AsSpan(offset));
                return written;
            case "truncate":
                return Resized(old, offset);
            case "falloc":
                return Resized(old, Math.Max(old.Length, offset + Int(t[3])));
            case "punch":
                byte[] punched = Resized(old, old.Length);
                punched.AsSpan(Math.Min(offset, old.Length)..Math.Min(offset + Int(t[3]), old.Length)).Clear();
                return punched;
            case "zero":
                byte[] zeroed = Resized(old, Math.Max(old.Length, offset + Int(t[3])));
                zeroed.AsSpan(offset, Int(t[3])).Clear();
                return zeroed;
            case "collapse":
                return [.. old.AsSpan(0, offset), .. old.AsSpan(offset + Int(t[3]))];
            default:
                return [.. old.AsSpan(0, offset), .. new byte[Int(t[3])], .. old.AsSpan(offset)];
        }
    }

    private static byte[] Resized(byte[] old, int length)
    {
        byte[] content = new byte[length];
        old.AsSpan(0, Math.Min(old.Length, length)).CopyTo(content);
        return content;
    }

    // "x*300" is a long target.
    private static string Target(string text) => text.Split('*') is [var part, var times] ? string.Concat(Enumerable.Repeat(part, Int(times))) : text;

    private static RenameFlags FlagsOf(string word) => word switch
    {
        "exchange" => RenameFlags.Exchange,
        "whiteout" => RenameFlags.Whiteout,
        _ => RenameFlags.None,
    };

    private static ushort TypeOf(string word) => word switch
    {
        "symlink" => InodeMode.Symlink,
        "fifo" => InodeMode.Fifo,
        _ => InodeMode.Regular,
    };

    private static AllocateMode ModeOf(string word) => word switch
    {
        "punch" => AllocateMode.PunchHole | AllocateMode.KeepSize,
        "zero" => AllocateMode.ZeroRange,
        "collapse" => AllocateMode.CollapseRange,
        "insert" => AllocateMode.InsertRange,
        _ => AllocateMode.Default,
    };
}
