using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.AccessControl;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Requests;

namespace Fsp;

/// <summary>WinFsp's callbacks as calls of overrides, with what the package makes of arguments: strings, arrays,
/// handles to the objects of an open.</summary>
internal static unsafe partial class StubCallbacks
{
    private const int UnexpectedIoError = unchecked((int)0xC00000E9);
    private const int BufferOverflow = unchecked((int)0x80000005);
    private const int Reparse = 0x104;

    private static int s_handles;

    /// <summary>Handles to opens that are not closed.</summary>
    internal static int Handles => Volatile.Read(ref s_handles);

    internal static int Handle(FileSystemBase fileSystem, Exception exception)
    {
        try
        {
            return fileSystem.ExceptionHandler(exception);
        }
        catch (Exception)
        {
            return UnexpectedIoError;
        }
    }

    private static FileSystemBase Of(FileSystemHead* native) => (FileSystemBase)GCHandle.FromIntPtr((nint)native->UserContext).Target;

    private static Opened Get(FullContext* context) =>
        context->UserContext2 != 0 ? (Opened)GCHandle.FromIntPtr((nint)context->UserContext2).Target : new Opened(null, null);

    private static string Text(char* text) => text == null ? null : new string(text);

    private static byte[] Descriptor(byte* descriptor) =>
        descriptor == null ? null : new ReadOnlySpan<byte>(descriptor, SecurityDescriptor.GetLength(descriptor)).ToArray();

    private static int CopyDescriptor(byte[] descriptor, byte* buffer, nuint* size)
    {
        if (size == null)
        {
            return 0;
        }
        nuint room = *size;
        *size = (nuint)(descriptor?.Length ?? 0);
        if (*size > room)
        {
            return BufferOverflow;
        }
        if (buffer != null)
        {
            descriptor.AsSpan().CopyTo(new Span<byte>(buffer, (int)*size));
        }
        return 0;
    }

    private static void Finish(object node, object desc, string name, FullContext* context, OpenFileInfo* info)
    {
        if (name != null)
        {
            int length = Math.Min(name.Length, info->NormalizedNameSize);
            name.AsSpan(0, length).CopyTo(new Span<char>(info->NormalizedName, length));
            info->NormalizedNameSize = (ushort)(2 * length);
        }
        context->UserContext2 = (ulong)GCHandle.ToIntPtr(GCHandle.Alloc(new Opened(node, desc)));
        Interlocked.Increment(ref s_handles);
    }

    private sealed record Opened(object Node, object Desc);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetVolumeInfo(FileSystemHead* native, Interop.VolumeInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            return fs.GetVolumeInfo(out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SetVolumeLabel(FileSystemHead* native, char* label, Interop.VolumeInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            return fs.SetVolumeLabel(Text(label), out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetSecurityByName(FileSystemHead* native, char* path, uint* attributes, byte* buffer, nuint* size)
    {
        FileSystemBase fs = Of(native);
        try
        {
            byte[] descriptor = size != null ? [] : null;
            int status = fs.GetSecurityByName(Text(path), out uint found, ref descriptor);
            if (status < 0 || status == Reparse)
            {
                return status; // the package does not hand on where the link stands
            }
            if (attributes != null)
            {
                *attributes = found;
            }
            return CopyDescriptor(descriptor, buffer, size);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int CreateEx(
        FileSystemHead* native, char* path, uint options, uint access, uint attributes, byte* security, ulong allocationSize,
        byte* extra, uint extraLength, byte extraIsReparsePoint, FullContext* context, OpenFileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            int status = fs.CreateEx(Text(path), options, access, attributes, Descriptor(security), allocationSize, (nint)extra, extraLength,
                extraIsReparsePoint != 0, out object node, out object desc, out *(Interop.FileInfo*)info, out string name);
            if (status >= 0)
            {
                Finish(node, desc, name, context, info);
            }
            return status;
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(FileSystemHead* native, char* path, uint options, uint access, FullContext* context, OpenFileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            int status = fs.Open(Text(path), options, access, out object node, out object desc, out *(Interop.FileInfo*)info, out string name);
            if (status >= 0)
            {
                Finish(node, desc, name, context, info);
            }
            return status;
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OverwriteEx(
        FileSystemHead* native, FullContext* context, uint attributes, byte replace, ulong allocationSize, byte* ea, uint eaLength, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.OverwriteEx(o.Node, o.Desc, attributes, replace != 0, allocationSize, (nint)ea, eaLength, out *info);
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Cleanup(FileSystemHead* native, FullContext* context, char* path, uint flags)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            fs.Cleanup(o.Node, o.Desc, Text(path), flags);
        }
        catch (Exception e)
        {
            Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Close(FileSystemHead* native, FullContext* context)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            fs.Close(o.Node, o.Desc);
            GCHandle.FromIntPtr((nint)context->UserContext2).Free();
            context->UserContext2 = 0;
            Interlocked.Decrement(ref s_handles);
        }
        catch (Exception e)
        {
            Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Read(FileSystemHead* native, FullContext* context, byte* buffer, ulong offset, uint length, uint* transferred)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.Read(o.Node, o.Desc, (nint)buffer, offset, length, out *transferred);
        }
        catch (Exception e)
        {
            *transferred = 0;
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(
        FileSystemHead* native, FullContext* context, byte* buffer, ulong offset, uint length, byte toEnd, byte constrained,
        uint* transferred, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = Get(context);
            return fs.Write(o.Node, o.Desc, (nint)buffer, offset, length, toEnd != 0, constrained != 0, out *transferred, out *info);
        }
        catch (Exception e)
        {
            *transferred = 0;
            return Handle(fs, e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Flush(FileSystemHead* native, FullContext* context, Interop.FileInfo* info)
    {
        FileSystemBase fs = Of(native);
        try
        {
            Opened o = context == null ? new Opened(null, null) : Get(context);
            Interop.FileInfo result;
            int status = fs.Flush(o.Node, o.Desc, out result);
            if (info != null)
            {
                *info = result;
            }
            return status;
        }
        catch (Exception e)
        {
            return Handle(fs, e);
        }
    }
}
