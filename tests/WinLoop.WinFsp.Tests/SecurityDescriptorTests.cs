using System.Buffers.Binary;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Tests;

/// <summary>How long a descriptor is that comes without a length.</summary>
public sealed unsafe class SecurityDescriptorTests
{
    private const int Owner = 4, Group = 8, Sacl = 12, Dacl = 16;

    [Fact]
    public void The_length_is_the_end_of_the_last_part()
    {
        byte[] descriptor = Header(200);
        Assert.Equal(20, Length(descriptor));
        Put(descriptor, Owner, 20, [1, 2, 0, 0, 0, 0, 0, 5]);      // two sub-authorities
        Assert.Equal(20 + 16, Length(descriptor));
        Put(descriptor, Dacl, 100, [2, 0, 40, 0, 0, 0, 0, 0]);     // an ACL of 40 bytes
        Assert.Equal(140, Length(descriptor));
        Put(descriptor, Group, 36, [1, 1, 0, 0, 0, 0, 0, 5]);
        Assert.Equal(140, Length(descriptor));
        Put(descriptor, Sacl, 150, [2, 0, 8, 0, 0, 0, 0, 0]);
        Assert.Equal(158, Length(descriptor));
    }

    [Fact]
    public void What_is_no_descriptor_has_no_length()
    {
        Assert.Equal(-1, SecurityDescriptor.GetLength(null));
        byte[] descriptor = Header(100);
        descriptor[0] = 2;
        Assert.Equal(-1, Length(descriptor));
        descriptor = Header(100);
        descriptor[3] = 0; // absolute: its fields are pointers
        Assert.Equal(-1, Length(descriptor));
        descriptor = Header(100);
        Put(descriptor, Owner, 40, [1, 16, 0, 0, 0, 0, 0, 5]);
        Assert.Equal(-1, Length(descriptor));
        descriptor = Header(100);
        Put(descriptor, Dacl, 40, [2, 0, 7, 0, 0, 0, 0, 0]);
        Assert.Equal(-1, Length(descriptor));
        descriptor = Header(100);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(Dacl), int.MaxValue);
        Assert.Equal(-1, Length(descriptor));
        descriptor = Header(100);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(Group), 8);
        Assert.Equal(-1, Length(descriptor));
    }

    private static byte[] Header(int size)
    {
        byte[] descriptor = new byte[size];
        descriptor[0] = 1;
        descriptor[3] = 0x80;
        return descriptor;
    }

    private static void Put(byte[] descriptor, int field, int offset, byte[] part)
    {
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(field), offset);
        part.CopyTo(descriptor, offset);
    }

    private static int Length(byte[] descriptor)
    {
        fixed (byte* p = descriptor)
        {
            return SecurityDescriptor.GetLength(p);
        }
    }
}
