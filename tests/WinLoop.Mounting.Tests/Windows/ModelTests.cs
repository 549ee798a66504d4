using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

/// <summary>Random operations, each compared with the model in its status, and all of the tree now and then.</summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    private static readonly string[] s_names = ["a", "B", "name", "Übung", "file.txt", "\uF03Ax", "😀"];

    [Theory]
    [InlineData(65536)]
    [InlineData(64)]
    public void TheCoreDoesWhatTheModelDoes(int cachedNames)
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var volume = new WindowsVolume(64, new WindowsOptions { CachedNames = cachedNames });
        Assert.Equal(NtStatus.Success, volume.Delete("\\lost+found"));
        var model = new WindowsModel();
        for (int step = 0; step < 6000; step++)
        {
            string what = Step(volume, model, random, out NtStatus expected, out NtStatus actual);
            Assert.True(expected == actual, $"seed {seed}, step {step}: {what}: expected {expected}, got {actual}");
            if (step % 500 == 499)
            {
                Assert.Equal(model.Dump(), Dump(volume, ""));
            }
            if (step % 2000 == 1999)
            {
                volume.Remount();
            }
        }
        Assert.Equal(model.Dump(), Dump(volume, ""));
        volume.Finish();
    }

    private static string Step(WindowsVolume volume, WindowsModel model, Random random, out NtStatus expected, out NtStatus actual)
    {
        string path = AnyPath(random);
        switch (random.Next(9))
        {
            case 0 or 1:
                bool isDirectory = random.Next(2) == 0;
                expected = model.Create(path, isDirectory);
                (actual, WindowsFile? made, _) = volume.TryCreate(path, isDirectory);
                if (made is not null)
                {
                    volume.Close(made);
                }
                return $"create {path}";
            case 2:
                expected = model.Delete(path);
                actual = volume.Delete(path);
                return $"delete {path}";
            case 3:
                string newPath = AnyPath(random);
                bool replace = random.Next(2) == 0;
                expected = model.Rename(path, newPath, replace);
                actual = With(volume, path, file =>
                {
                    try
                    {
                        return volume.Files.Rename(file, path, newPath, replace);
                    }
                    catch (WinLoop.Ext4.Ext4Exception e)
                    {
                        return StatusMap.FromException(e);
                    }
                });
                return $"rename {path} to {newPath}, replace {replace}";
            case 4:
                byte[] data = new byte[random.Next(1, 9000)];
                random.NextBytes(data);
                int offset = random.Next(12000);
                bool constrained = random.Next(3) == 0;
                expected = model.Write(path, offset, data, constrained);
                actual = With(volume, path, file => volume.Files.Write(file, data, (ulong)offset, false, constrained, out _, out _));
                return $"write {data.Length} at {offset} of {path}, constrained {constrained}";
            case 5:
                int size = random.Next(20000);
                expected = model.SetSize(path, size);
                actual = With(volume, path, file => volume.Files.SetFileSize(file, (ulong)size, false, out _));
                return $"size {size} of {path}";
            case 6:
                uint attributes = (uint)random.Next(8) & (DosAttributes.ReadOnly | DosAttributes.Hidden | DosAttributes.System) | (random.Next(2) == 0 ? DosAttributes.Archive : 0);
                expected = model.SetAttributes(path, attributes);
                actual = With(volume, path, file => volume.Files.SetBasicInfo(file, attributes, 0, 0, 0, 0, out _));
                return $"attributes {attributes:X} of {path}";
            case 7:
                (expected, WindowsModel.Node? node) = model.Find(path);
                actual = volume.Files.GetSecurityByName(path, out uint found, out _);
                Assert.Equal(node?.Attributes ?? 0, expected == NtStatus.Success ? found : 0);
                return $"security of {path}";
            default:
                (expected, node) = model.Find(path);
                (actual, WindowsFile? open, WindowsFileInfo info) = volume.TryOpen(path);
                if (open is not null)
                {
                    Assert.Equal((ulong)node!.Content.Length, info.FileSize);
                    string name = volume.NormalizedName(open);
                    Assert.Equal(path, name, StringComparer.OrdinalIgnoreCase);
                    Assert.EndsWith("\\" + node.Parent!.Children.Find(child => child.Node == node).Name, name, StringComparison.Ordinal);
                    volume.Close(open);
                }
                return $"open {path}";
        }
    }

    private static NtStatus With(WindowsVolume volume, string path, Func<WindowsFile, NtStatus> action)
    {
        (NtStatus status, WindowsFile? file, _) = volume.TryOpen(path);
        if (file is null)
        {
            return status;
        }
        status = action(file);
        volume.Close(file);
        return status;
    }

    private static string AnyPath(Random random)
    {
        string path = "";
        for (int depth = random.Next(1, 4); depth > 0; depth--)
        {
            string name = s_names[random.Next(s_names.Length)];
            path += "\\" + (random.Next(3) == 0 ? name.ToUpperInvariant() : name);
        }
        return path;
    }

    private static List<string> Dump(WindowsVolume volume, string path)
    {
        var lines = new List<string>();
        foreach (string name in volume.List(path.Length == 0 ? "\\" : path, page: 3).Where(name => name is not "." and not ".."))
        {
            string full = $"{path}\\{name}";
            WindowsFileInfo info = volume.Info(full);
            bool isDirectory = (info.FileAttributes & DosAttributes.Directory) != 0;
            byte[] content = new byte[info.FileSize];
            if (!isDirectory && content.Length > 0)
            {
                WindowsFile file = volume.Open(full);
                Assert.Equal(NtStatus.Success, volume.Files.Read(file, content, 0, out int count));
                Assert.Equal(content.Length, count);
                volume.Close(file);
            }
            lines.Add($"{full} {info.FileAttributes:X} {Convert.ToHexString(System.Security.Cryptography.SHA1.HashData(content))}");
            if (isDirectory)
            {
                lines.AddRange(Dump(volume, full));
            }
        }
        return lines;
    }
}
