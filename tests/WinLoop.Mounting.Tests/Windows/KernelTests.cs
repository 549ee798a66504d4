using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.TestKit;

namespace WinLoop.Mounting.Tests.Windows;

/// <summary>What the kernel made, seen by Windows, and the reverse.</summary>
public sealed class KernelTests
{
    [Theory]
    [InlineData("")]
    [InlineData("-O ^metadata_csum,^64bit -b 1024")]
    public void TheKernelReadsWhatWindowsWroteAndTheReverse(string options)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(32, options);
        image.WithKernel("""
            mkdir $M/Dir; echo -n linux > $M/Dir/'a:b?'; ln -s Dir $M/link; ln -s /Dir/none $M/dangling; mkfifo $M/fifo
            chmod 444 $M/Dir/'a:b?'; touch $M/TWIN $M/twin
            """);
        using (Ext4Volume volume = image.Mount())
        using (var files = new WindowsFileSystem(volume, new WindowsOptions()))
        {
            Assert.Equal(NtStatus.Success, files.Open("\\dir\\A\uF03AB\uF03F", 0, 0, out WindowsFile? file, out WindowsFileInfo info));
            Assert.Equal((5ul, DosAttributes.ReadOnly | DosAttributes.Archive), (info.FileSize, info.FileAttributes));
            byte[] content = new byte[5];
            files.Read(file!, content, 0, out _);
            Assert.Equal("linux", Encoding.ASCII.GetString(content));
            files.Close(file!);
            Assert.Equal(NtStatus.Success, files.GetSecurityByName("\\link", out uint attributes, out _));
            Assert.Equal(DosAttributes.Directory | DosAttributes.ReparsePoint, attributes);
            Assert.Equal(NtStatus.Success, files.Create("\\Dir\\made\uF02A", new CreateParameters { FileAttributes = DosAttributes.Hidden | DosAttributes.ReadOnly }, out file, out _));
            files.Write(file!, "windows"u8, 0, false, false, out _, out _);
            files.SetBasicInfo(file!, uint.MaxValue, 0, 0, 132_000_000_001_234_567, 0, out _);
            files.Close(file!);
            Assert.Equal(NtStatus.Success, files.Create("\\Dir\\made\uF02A:Zone.Identifier", default, out file, out _));
            files.Write(file!, "zone"u8, 0, false, false, out _, out _);
            files.Close(file!);
            Assert.Equal(NtStatus.Success, files.Create("\\newlink", default, out file, out _));
            byte[] data = new byte[256];
            Assert.Equal(NtStatus.Success, ReparseData.Encode(0xA1FF, "Dir/made*"u8, data, out int length));
            Assert.Equal(NtStatus.Success, files.SetReparsePoint(file!, "\\newlink", data.AsSpan(0, length)));
            files.Close(file!);
            Assert.Equal(NtStatus.Success, files.SetVolumeLabel("from windows", out _));
        }
        image.AssertClean();
        string seen = image.WithKernel("""
            cat "$M/newlink"; echo; TZ=UTC stat -c '%A %y' "$M/Dir/made*"; readlink "$M/newlink"
            """);
        // 1,555,526,400 seconds after 1970.
        Assert.Equal("windows\n-r--r--r-- 2019-04-17 18:40:00.123456700 +0000\nDir/made*\n", seen);
        Assert.Contains("from windows", Shell.Run("dumpe2fs", ["-h", image.Path]).Output, StringComparison.Ordinal);
        Assert.Contains("DosStream.Zone.Identifier:$DATA", Shell.Run("debugfs", ["-R", "ea_list \"/Dir/made*\"", image.Path]).All, StringComparison.Ordinal);
    }
}
