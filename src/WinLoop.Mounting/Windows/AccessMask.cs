namespace WinLoop.Mounting.Windows;

/// <summary>Rights of files and directories (winnt.h).</summary>
internal static class AccessMask
{
#pragma warning disable CS1591
    public const uint ReadData = 0x1, WriteData = 0x2, AppendData = 0x4, ReadEa = 0x8, WriteEa = 0x10, Execute = 0x20,
        DeleteChild = 0x40, ReadAttributes = 0x80, WriteAttributes = 0x100;
    public const uint Delete = 0x10000, ReadControl = 0x20000, WriteDac = 0x40000, WriteOwner = 0x80000, Synchronize = 0x100000;
    public const uint GenericAll = 0x10000000, GenericExecute = 0x20000000, GenericWrite = 0x40000000, GenericRead = 0x80000000;
    public const uint FileAll = 0x1F01FF, FileGenericRead = 0x120089, FileGenericWrite = 0x120116, FileGenericExecute = 0x1200A0;
#pragma warning restore CS1591

    /// <summary>Replaces the generic rights by what they mean for a file.</summary>
    public static uint MapGeneric(uint mask)
    {
        uint mapped = mask & ~(GenericAll | GenericExecute | GenericWrite | GenericRead);
        mapped |= (mask & GenericRead) != 0 ? FileGenericRead : 0;
        mapped |= (mask & GenericWrite) != 0 ? FileGenericWrite : 0;
        mapped |= (mask & GenericExecute) != 0 ? FileGenericExecute : 0;
        mapped |= (mask & GenericAll) != 0 ? FileAll : 0;
        return mapped;
    }
}
