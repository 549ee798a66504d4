using WinLoop.Fuse.Native;
using WinLoop.Fuse.Operations;
using WinLoop.Fuse.Protocol;
using WinLoop.Storage;

namespace WinLoop.Fuse;

/// <summary>Carries requests out: what the request queue of a mount calls.</summary>
internal sealed class FuseDispatcher(FuseSession session, int fd) : IQueueOperations
{
    /// <summary>The names of the queue's operations: opcodes, in their order.</summary>
    public static string[] OperationNames { get; } =
        [.. Enumerable.Range(0, Opcodes.Count).Select(i => Enum.GetName((Opcode)i)?.ToLowerInvariant() ?? $"opcode{i}")];

    public QueueStatus QueueRequest(Request request)
    {
        FuseRequest r = (FuseRequest)request;
        try
        {
            r.Result = Dispatch(r);
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy && MayRepeat(r.Header.Opcode))
        {
            r.Result = -Libc.EAGAIN;
            return QueueStatus.Busy;
        }
        catch (Exception e)
        {
            r.EntriesGiven = 0;
            r.Result = session.ToError(e, r);
        }
        return r.Result < 0 && r.Result != FuseRequest.NoReply ? QueueStatus.Failed : QueueStatus.Ok;
    }

    public void CompleteRequest(Request request)
    {
        FuseRequest r = (FuseRequest)request;
        if (r.Result == FuseRequest.NoReply)
        {
            return;
        }
        int error = r.Send(fd, r.Result);
        if (error is Libc.EINVAL)
        {
            // The kernel did not like the reply; without another one its caller would wait for ever.
            session.Log($"{r.Header.Opcode}: the kernel refused a reply of {r.Result}");
            r.Send(fd, -Libc.EIO);
        }
        if (error != 0 && r.EntriesGiven > 0)
        {
            UndoEntries(r);
        }
    }

    private int Dispatch(FuseRequest r) => r.Header.Opcode switch
    {
        Opcode.Lookup => LookupOperations.Lookup(session, r),
        Opcode.Forget => LookupOperations.Forget(session, r),
        Opcode.BatchForget => LookupOperations.BatchForget(session, r),
        Opcode.GetAttr => AttributeOperations.GetAttr(session, r),
        Opcode.StatX => AttributeOperations.StatX(session, r),
        Opcode.SetAttr => AttributeOperations.SetAttr(session, r),
        Opcode.StatFs => AttributeOperations.StatFs(session, r),
        Opcode.MkNod => NamespaceOperations.MkNod(session, r),
        Opcode.MkDir => NamespaceOperations.MkDir(session, r),
        Opcode.Symlink => NamespaceOperations.Symlink(session, r),
        Opcode.Link => NamespaceOperations.Link(session, r),
        Opcode.Unlink => NamespaceOperations.Unlink(session, r),
        Opcode.RmDir => NamespaceOperations.RmDir(session, r),
        Opcode.Rename => NamespaceOperations.Rename(session, r),
        Opcode.Rename2 => NamespaceOperations.Rename2(session, r),
        Opcode.ReadLink => NamespaceOperations.ReadLink(session, r),
        Opcode.Open => OpenOperations.Open(session, r),
        Opcode.Create => OpenOperations.Create(session, r),
        Opcode.TmpFile => OpenOperations.TmpFile(session, r),
        Opcode.Release => OpenOperations.Release(session, r),
        Opcode.Read => DataOperations.Read(session, r),
        Opcode.Write => DataOperations.Write(session, r),
        Opcode.FAllocate => DataOperations.FAllocate(session, r),
        Opcode.LSeek => DataOperations.LSeek(session, r),
        Opcode.CopyFileRange => DataOperations.CopyFileRange(session, r, wide: false),
        Opcode.CopyFileRange64 => DataOperations.CopyFileRange(session, r, wide: true),
        Opcode.FSync or Opcode.FSyncDir => DataOperations.FSync(session, r),
        Opcode.SyncFs => DataOperations.SyncFs(session, r),
        Opcode.OpenDir => DirectoryOperations.OpenDir(session, r),
        Opcode.ReadDir => DirectoryOperations.ReadDir(session, r),
        Opcode.ReadDirPlus => DirectoryOperations.ReadDirPlus(session, r),
        Opcode.ReleaseDir => 0,
        Opcode.GetXattr => XattrOperations.Get(session, r),
        Opcode.ListXattr => XattrOperations.List(session, r),
        Opcode.SetXattr => XattrOperations.Set(session, r),
        Opcode.RemoveXattr => XattrOperations.Remove(session, r),
        Opcode.IoCtl => IoctlOperations.IoCtl(session, r),
        // A request in the engine is not interrupted; its own reply is the answer.
        Opcode.Interrupt or Opcode.NotifyReply => FuseRequest.NoReply,
        // FLUSH: nothing is delayed in the engine, and what the kernel collected it writes, and reports, itself.
        // ACCESS: never sent when the kernel checks permissions. Locks: the kernel keeps them itself.
        _ => -Libc.ENOSYS,
    };

    private static bool MayRepeat(Opcode opcode) => opcode is Opcode.Read or Opcode.Lookup or Opcode.GetAttr or Opcode.StatX
        or Opcode.ReadLink or Opcode.ReadDir or Opcode.GetXattr or Opcode.ListXattr or Opcode.LSeek or Opcode.StatFs;

    // The kernel did not get the reply, so it does not count the lookups in it.
    private unsafe void UndoEntries(FuseRequest r)
    {
        if (r.Header.Opcode != Opcode.ReadDirPlus)
        {
            session.Nodes.Forget(((EntryOut*)r.Reply)->NodeId, 1);
            return;
        }
        for (int at = 0; at < r.Result;)
        {
            EntryOut* entry = (EntryOut*)(r.Reply + at);
            at += DirentWriter.EntrySize((int)((Dirent*)(entry + 1))->NameLength, plus: true);
            session.Nodes.Forget(entry->NodeId, entry->NodeId == 0 ? 0u : 1u);
        }
    }
}
