namespace WinLoop.WinFsp.Requests;

/// <summary>SECURITY_DESCRIPTOR_RELATIVE as bytes.</summary>
internal static unsafe class SecurityDescriptor
{
    private const int HeaderSize = 20;
    private const ushort SelfRelative = 0x8000;     // SE_SELF_RELATIVE
    private const int MaxSubAuthorities = 15;       // SID_MAX_SUB_AUTHORITIES

    /// <summary>No reply of WinFsp carries a longer one (FSP_FSCTL_TRANSACT_RSP_BUFFER_SIZEMAX), and none is longer
    /// than four times what a 16-bit ACL size can say.</summary>
    public const int MaxLength = 4 * 65536;

    /// <summary>Bytes of a self-relative descriptor, as GetSecurityDescriptorLength counts them; −1 if it is none.</summary>
    public static int GetLength(byte* descriptor)
    {
        if (descriptor == null || descriptor[0] != 1 || (*(ushort*)(descriptor + 2) & SelfRelative) == 0)
        {
            return -1;
        }
        uint length = HeaderSize;
        bool ok = AddSid(descriptor, 4, ref length) && AddSid(descriptor, 8, ref length)
            && AddAcl(descriptor, 12, ref length) && AddAcl(descriptor, 16, ref length);
        return ok ? (int)length : -1;
    }

    private static bool AddSid(byte* descriptor, int field, ref uint length)
    {
        uint offset = *(uint*)(descriptor + field);
        if (offset == 0)
        {
            return true;
        }
        if (offset is < HeaderSize or > MaxLength)
        {
            return false;
        }
        byte subAuthorities = descriptor[offset + 1];
        length = Math.Max(length, offset + 8 + (4u * subAuthorities));
        return descriptor[offset] == 1 && subAuthorities <= MaxSubAuthorities;
    }

    private static bool AddAcl(byte* descriptor, int field, ref uint length)
    {
        uint offset = *(uint*)(descriptor + field);
        if (offset == 0)
        {
            return true;
        }
        if (offset is < HeaderSize or > MaxLength)
        {
            return false;
        }
        ushort size = *(ushort*)(descriptor + offset + 2);
        length = Math.Max(length, offset + size);
        return size >= 8;
    }
}
