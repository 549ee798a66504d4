using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Create;
using WinLoop.Ext4.Format;
using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vdi;
using WinLoop.Images.Vhd;
using WinLoop.Images.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>ext4 in a container or partition over power cuts, and it grows meanwhile where it can: its journal, and the log of a VHDX,
/// are replayed, the file system is whole, what was fsynced is there, and qemu finds no corruption in a qcow2.</summary>
public sealed class Ext4CutTests(ITestOutputHelper output)
{
    private const int Size = 24 << 20;
    private static readonly string[] Growing = ["MBR", "GPT"];
    private const ushort Regular = 0x8000 | 0x1A4;

    [Theory]
    [InlineData("VHDX")]
    [InlineData("VHD")]
    [InlineData("VDI")]
    [InlineData("VMDK")]
    [InlineData("qcow2")]
    [InlineData("MBR")]
    [InlineData("GPT")]
    public void Ext4_IsClean_AndWhatWasSyncedIsThere(string format)
    {
        Shell.Require("e2fsck", "qemu-img");
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        var file = new MemoryFile();
        switch (format)
        {
            case "VHD":
                VhdImage.Create(file, Size, blockSize: 1 << 20);
                break;
            case "VDI":
                VdiImage.Create(file, Size);
                break;
            case "VMDK":
                VmdkImage.Create(file, Size);
                break;
            case "qcow2":
                Qcow2Image.Create(file, Size);
                break;
            case "MBR":
            case "GPT":
                file = Partitioned(format);
                break;
            default:
                VhdxImage.Create(file, Size);
                break;
        }

        using (IBlockDevice disk = OpenDisk(file))
        {
            using IBlockDevice volume = OpenVolume(disk);
            Ext4Creator.Create(volume, new Ext4CreateOptions { BlockSize = 1024, JournalBlocks = 1024, IsZeroed = true });
        }

        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        var promises = new List<Promise>();
        for (int session = 0; session < 2; session++)
        {
            Work(recording.File, promises, session, random, Growing.Contains(format));
        }

        using (IBlockDevice disk = OpenDisk(recording.File, isReadOnly: true))
        using (IBlockDevice volume = OpenVolume(disk))
        {
            long size = (long)SuperblockReader.Read(volume).BlocksCount * 1024;
            Assert.InRange(size, Growing.Contains(format) ? (2L * Size) - (1 << 20) : 0, Growing.Contains(format) ? 2L * Size : Size);
        }

        int states = 0, checkedStates = 0, promised = 0;
        int operations = recording.File.Log.Count;
        foreach ((StateFile state, _, int done, string name) in recording.States(seed, subsets: 1))
        {
            states++;
            if (random.Next(15) != 0)
            {
                continue;
            }

            checkedStates++;
            promised += Judge(state, done, promises, name);
        }

        output.WriteLine($"{operations} operations, {checkedStates} of {states} states checked, {promised} promises kept, seed {seed}");
        Assert.True(checkedStates > 10 && promised > 30, $"{checkedStates} states, {promised} promises, seed {seed}");
    }

    private static void Work(RecordingFile file, List<Promise> promises, int session, Random random, bool isGrowing)
    {
        using Ext4Volume volume = Mount(file);
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode folder = volume.CreateDirectory(root, Encoding.UTF8.GetBytes($"folder{session}"), 0x1ED, Caller.Root);
        for (int i = 0; i < 16; i++)
        {
            if (session == 1 && i == 8 && isGrowing)
            {
                volume.Grow(2 * Size);
            }

            byte[] name = Encoding.UTF8.GetBytes($"file{session}-{i}");
            byte[] content = new byte[random.Next(1, 400_000)];
            random.NextBytes(content);
            Inode inode = volume.Create(root, name, Regular, 0, Caller.Root);
            volume.Write(inode, content, 0, Caller.Root);
            if (random.Next(2) == 0)
            {
                volume.Synchronize(inode, dataOnly: false);
                promises.Add(new Promise(file.Log.Count, Encoding.UTF8.GetString(name), content));
            }
            else if (random.Next(2) == 0)
            {
                volume.Rename(root, name, folder, name, default, Caller.Root);
            }
            else if (random.Next(2) == 0)
            {
                volume.Unlink(root, name);
            }

            volume.Release(inode);
        }

        volume.Release(folder);
        volume.Release(root);
    }

    private static int Judge(StateFile state, int done, List<Promise> promises, string name)
    {
        int kept = 0;
        using var folder = new TemporaryFolder();
        string raw = Path.Combine(folder.Path, "raw");
        if (new Qcow2Format().Matches(state))
        {
            Qcow2Files.Save(state, raw);
            Qcow2Files.AssertSound(raw, name, mayLeak: true);
        }

        using (Ext4Volume volume = Mount(state))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            foreach (Promise promise in promises.Where(promise => promise.Operations <= done))
            {
                Inode? inode = volume.Lookup(root, Encoding.UTF8.GetBytes(promise.Name));
                Assert.True(inode is not null, $"{name}: {promise.Name} is missing");
                byte[] content = new byte[promise.Content.Length + 1];
                int length = volume.Read(inode, content, 0);
                Assert.True(content.AsSpan(0, length).SequenceEqual(promise.Content), $"{name}: {promise.Name} differs");
                volume.Release(inode);
                kept++;
            }

            volume.Release(root);
        }

        using (IBlockDevice disk = OpenDisk(state, isReadOnly: true))
        using (IBlockDevice volume = OpenVolume(disk))
        {
            DiskFiles.WriteSparse(raw, DiskFiles.ReadAll(volume));
        }

        Shell.Result check = Shell.Run("e2fsck", ["-fn", raw]);
        Assert.True(check.ExitCode == 0, $"{name}: e2fsck -fn: {check.ExitCode}\n{check.All}");
        return kept;
    }

    // A disk with one partition; the tables are made elsewhere.
    private static MemoryFile Partitioned(string format)
    {
        Shell.Require("sfdisk");
        using var folder = new TemporaryFolder();
        string disk = Path.Combine(folder.Path, "disk");
        Shell.Script($"truncate -s {Size} {disk}; echo '2048,' | sfdisk -q --label {(format == "GPT" ? "gpt" : "dos")} {disk}");
        return new MemoryFile(File.ReadAllBytes(disk));
    }

    private static IBlockDevice OpenDisk(IGrowableDevice file, bool isReadOnly = false) => ImageFormats.Find(file) is { } format
        ? format.Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly }) : file;

    // An empty partition is one, too.
    private static IBlockDevice OpenVolume(IBlockDevice disk) => PartitionTable.Read(disk).Scheme == PartitionScheme.None
        ? VolumeLocator.Locate(disk, ownsImage: true).Device : VolumeLocator.Locate(disk, 1, ownsImage: true).Device;

    private static Ext4Volume Mount(IGrowableDevice file) =>
        Ext4Volume.Mount(OpenVolume(OpenDisk(file)), new Ext4MountOptions { CommitInterval = 3600 });

    private sealed record Promise(int Operations, string Name, byte[] Content);
}
