using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class AllocationTests
{
    [Fact]
    public void What_is_called_for_every_file_allocates_nothing()
    {
        var options = new WindowsOptions();
        char[] name = new char[255];
        byte[] disk = new byte[255], reparse = new byte[1000];
        byte[] attribute = Convert.FromHexString("00000500050000001100000020000000f264bfac187ddd01");
        for (int round = 0; round < 2; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            int length = WindowsName.Decode("na\xC3\xA9me:\xFF."u8, name);
            WindowsName.Encode(name.AsSpan(0, length), disk);
            NameCase.FoldedHash(name.AsSpan(0, length));
            NameCase.FoldedEquals(name.AsSpan(0, length), name.AsSpan(0, length));
            WindowsPath.TryParse(@"\a\b\c.txt:stream", out WindowsPath path);
            foreach (ReadOnlySpan<char> component in path.Components)
            {
                length += component.Length;
            }
            DosAttributes.TryRead(attribute, out uint stored, out _);
            DosAttributes.FileAttributesOf(0x81A4, stored, false, options);
            WindowsTime.ToTimestamp(WindowsTime.FromTimestamp(new Timestamp(1, 2)));
            ReparseData.Encode(0xA1FF, "../target"u8, reparse, out _);
            var list = new EaListWriter(reparse);
            WslMetadata.TryAddTo(ref list, 1, 2, 0x81A4, 0);
            EaList.Check(reparse.AsSpan(0, list.Length), out _);
            StreamName.FromAttribute("user.DosStream.a:$DATA"u8, name);
            long after = GC.GetAllocatedBytesForCurrentThread();
            if (round == 1)
            {
                Assert.Equal(before, after);
            }
        }
    }
}
