namespace WinLoop.Ext4.Attributes;

/// <summary>e_name_index: the prefix of an attribute's name as one number.</summary>
internal enum AttributeIndex : byte
{
    None = 0, User = 1, AccessAcl = 2, DefaultAcl = 3, Trusted = 4, Security = 6, System = 7,
}

/// <summary>What an inode's table slot holds behind i_extra_isize.</summary>
internal enum InlineState : byte
{
    Unknown, Empty, Present,
}

/// <summary>Splits an attribute's full name into prefix and rest, and puts it together again.</summary>
internal static class AttributeName
{
    /// <summary>The longest name in bytes, prefix included (XATTR_NAME_MAX).</summary>
    public const int MaximumLength = 255;

    /// <summary>The prefix's index and the name without it.</summary>
    /// <exception cref="Ext4Exception">ERANGE: too long or empty; EINVAL: nothing behind the prefix; EOPNOTSUPP: unknown prefix.</exception>
    public static AttributeIndex Parse(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> rest)
    {
        rest = default;
        if (name.Length is 0 or > MaximumLength)
        {
            throw new Ext4Exception(Errno.ERANGE, $"attribute name of {name.Length} bytes");
        }
        if (name.SequenceEqual("system.posix_acl_access"u8))
        {
            return AttributeIndex.AccessAcl;
        }
        if (name.SequenceEqual("system.posix_acl_default"u8))
        {
            return AttributeIndex.DefaultAcl;
        }
        AttributeIndex index =
            name.StartsWith("user."u8) ? AttributeIndex.User :
            name.StartsWith("security."u8) ? AttributeIndex.Security :
            name.StartsWith("trusted."u8) ? AttributeIndex.Trusted :
            throw new Ext4Exception(Errno.EOPNOTSUPP, "attribute prefix");
        rest = name[Prefix(index).Length..];
        return rest.IsEmpty ? throw new Ext4Exception(Errno.EINVAL, "attribute name") : index;
    }

    /// <summary>The prefix of an index; empty if attributes with it are not shown.</summary>
    public static ReadOnlySpan<byte> Prefix(AttributeIndex index) => index switch
    {
        AttributeIndex.User => "user."u8,
        AttributeIndex.AccessAcl => "system.posix_acl_access"u8,
        AttributeIndex.DefaultAcl => "system.posix_acl_default"u8,
        AttributeIndex.Trusted => "trusted."u8,
        AttributeIndex.Security => "security."u8,
        _ => default,
    };
}
