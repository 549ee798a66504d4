using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

/// <summary>Directories with more names than a folded index takes, and more directories than all of them together take:
/// the same answers, only slower (docs/limits.md).</summary>
public sealed class IndexLimitTests
{
    [Theory]
    [InlineData(20, 1 << 18)]       // no index for the directory
    [InlineData(1 << 20, 60)]       // one index pushes the other out
    [InlineData(1 << 20, 1 << 18)]  // for comparison
    public void Names_are_found_in_any_case_at_every_bound(int indexedNames, int budget)
    {
        using var volume = new WindowsVolume(options: new WindowsOptions { IndexedNames = indexedNames, IndexBudget = budget, CachedNames = 64 });
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        foreach (string directory in (string[])["One", "Two", "Three"])
        {
            Inode inside = volume.Volume.CreateDirectory(root, Encoding.UTF8.GetBytes(directory), 0x1ED, Caller.Root);
            for (int i = 0; i < 50; i++)
            {
                volume.Volume.Release(volume.Volume.Create(inside, Encoding.UTF8.GetBytes($"File{i}"), 0x81B6, 0, Caller.Root));
            }
            Inode twin = volume.Volume.Create(inside, "FILE7"u8, 0x81B6, 0, Caller.Root);
            volume.Volume.Write(twin, "twin"u8, 0, Caller.Root);
            volume.Volume.Release(twin);
            volume.Volume.Release(inside);
        }
        volume.Volume.Release(root);
        for (int round = 0; round < 2; round++)
        {
            foreach (string directory in (string[])["ONE", "two", "tHREE"])
            {
                for (int i = 0; i < 50; i++)
                {
                    Assert.True(volume.Exists($"\\{directory}\\fiLE{i}"));
                    Assert.False(volume.Exists($"\\{directory}\\fiLE{i}x"));
                }
                // Of twins the first in byte order is meant by any third spelling.
                Assert.Equal("twin", volume.Get($"\\{directory}\\fIlE7"));
                Assert.Equal("", volume.Get($"\\{directory}\\File7"));
                Assert.Equal(NtStatus.ObjectNameCollision, volume.TryCreate($"\\{directory}\\FILE{20 + round}").Status);
                volume.Put($"\\{directory}\\New{round}", "n");
                Assert.Equal("n", volume.Get($"\\{directory}\\nEW{round}"));
                Assert.Equal(NtStatus.Success, volume.Delete($"\\{directory}\\NEW{round}"));
                Assert.False(volume.Exists($"\\{directory}\\New{round}"));
            }
        }
        volume.Finish();
    }
}
