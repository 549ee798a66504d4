using System.Text;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Random calls on names against a dictionary, on several feature sets; and threads at once.</summary>
public sealed class RandomTreeTests
{
    [Theory]
    [InlineData("")]
    [InlineData("-b 1024 -O ^has_journal")]
    [InlineData("-b 2048 -O orphan_file,metadata_csum_seed")]
    public void TheTreeIsWhatTheCallsMadeIt(string mkfs)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using TestImage image = TestImage.Make(40, mkfs);
        // Path to content; null is a directory.
        var model = new SortedDictionary<string, string?>(StringComparer.Ordinal) { [""] = null, ["lost+found"] = null };
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            for (int step = 0; step < 1200; step++)
            {
                string from = Pick(random, model), to = Pick(random, model);
                string? expected = Try(() => Apply(model, step % 7, from, to, step));
                string? actual = Try(() => Apply(fs, step % 7, from, to, step));
                Assert.True(expected == actual, $"seed {seed}, step {step}: {step % 7} '{from}' '{to}': expected {expected ?? "success"}, was {actual ?? "success"}");
            }
            Compare(fs, model, seed);
        }
        image.AssertClean();
        using Ext4FileSystem again = Opened.Open(image, isReadOnly: true);
        Compare(again, model, seed);
    }

    [Fact]
    public void ThreadsWorkAtOnce()
    {
        using TestImage image = TestImage.Make(60);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            Parallel.For(0, 4, thread =>
            {
                for (int i = 0; i < 60; i++)
                {
                    fs.CreateDirectory($@"shared\{i % 5}");
                    byte[] content = Encoding.UTF8.GetBytes(new string((char)('a' + thread), 1000 + (i * 137)));
                    fs.Put($@"shared\{i % 5}\{thread}-{i}", content);
                    Assert.Equal(content, fs.Bytes($@"shared\{i % 5}\{thread}-{i}"));
                    fs.MoveFile($@"shared\{i % 5}\{thread}-{i}", $@"shared\0\{thread}-{i}.moved");
                    if (i % 3 == 0)
                    {
                        fs.DeleteFile($@"shared\0\{thread}-{i}.moved");
                    }
                    Assert.NotEmpty(fs.GetFileSystemEntries("", "*", SearchOption.AllDirectories));
                }
            });
            Assert.Equal(160, fs.GetFiles("shared", "*.moved", SearchOption.AllDirectories).Count());
        }
        image.AssertClean();
    }

    private static string Pick(Random random, SortedDictionary<string, string?> model)
    {
        string[] directories = [.. model.Where(p => p.Value is null).Select(p => p.Key)];
        string parent = random.Next(10) == 0 ? Join(directories[random.Next(directories.Length)], "f1") : directories[random.Next(directories.Length)];
        return Join(parent, (random.Next(2) == 0 ? "f" : "d") + random.Next(6));
    }

    private static string Join(string directory, string name) => directory.Length == 0 ? name : $"{directory}\\{name}";

    private static string Parent(string path) => path.LastIndexOf('\\') is var at and >= 0 ? path[..at] : "";

    // The kind of failure; the message is not compared.
    private static string? Try(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.GetType().Name;
        }
    }

    private static void Apply(Ext4FileSystem fs, int operation, string from, string to, int step)
    {
        switch (operation)
        {
            case 0 or 1:
                fs.Put(from, $"content {step}");
                break;
            case 2:
                fs.CreateDirectory(from);
                break;
            case 3:
                fs.DeleteFile(from);
                break;
            case 4:
                fs.DeleteDirectory(from);
                break;
            case 5:
                fs.MoveFile(from, to, overwrite: step % 2 == 0);
                break;
            default:
                fs.MoveDirectory(from, to);
                break;
        }
    }

    private static void Apply(SortedDictionary<string, string?> model, int operation, string from, string to, int step)
    {
        switch (operation)
        {
            case 0 or 1:
                RequireParent(model, from);
                RequireNoDirectory(model, from);
                model[from] = $"content {step}";
                break;
            case 2:
                string path = "";
                foreach (string part in from.Split('\\'))
                {
                    path = Join(path, part);
                    if (model.TryGetValue(path, out string? there) && there is not null)
                    {
                        throw new IOException();
                    }
                    model[path] = null;
                }
                break;
            case 3:
                RequireFile(model, from);
                model.Remove(from);
                break;
            case 4:
                RequireDirectory(model, from);
                if (model.Keys.Any(k => k.StartsWith(from + "\\", StringComparison.Ordinal)))
                {
                    throw new IOException();
                }
                model.Remove(from);
                break;
            case 5:
                RequireFile(model, from);
                RequireParent(model, to);
                RequireNoDirectory(model, to);
                if (from != to && model.ContainsKey(to) && step % 2 != 0)
                {
                    throw new IOException();
                }
                string content = model[from]!;
                model.Remove(from);
                model[to] = content;
                break;
            default:
                RequireDirectory(model, from);
                RequireParent(model, to);
                if (from == to)
                {
                    break;
                }
                if (model.ContainsKey(to) || to.StartsWith(from + "\\", StringComparison.Ordinal))
                {
                    throw new IOException();
                }
                foreach ((string key, string? value) in model.Where(p => p.Key == from || p.Key.StartsWith(from + "\\", StringComparison.Ordinal)).ToArray())
                {
                    model.Remove(key);
                    model[to + key[from.Length..]] = value;
                }
                break;
        }
    }

    private static void RequireParent(SortedDictionary<string, string?> model, string path)
    {
        if (!model.TryGetValue(Parent(path), out string? content) || content is not null)
        {
            throw new DirectoryNotFoundException();
        }
    }

    private static void RequireNoDirectory(SortedDictionary<string, string?> model, string path)
    {
        if (model.TryGetValue(path, out string? content) && content is null)
        {
            throw new UnauthorizedAccessException();
        }
    }

    private static void RequireFile(SortedDictionary<string, string?> model, string path)
    {
        RequireParent(model, path);
        RequireNoDirectory(model, path);
        if (!model.ContainsKey(path))
        {
            throw new FileNotFoundException();
        }
    }

    private static void RequireDirectory(SortedDictionary<string, string?> model, string path)
    {
        RequireParent(model, path);
        if (!model.TryGetValue(path, out string? content) || content is not null)
        {
            throw new DirectoryNotFoundException();
        }
    }

    private static void Compare(Ext4FileSystem fs, SortedDictionary<string, string?> model, int seed)
    {
        string[] listed = [.. fs.GetFileSystemEntries("", "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Assert.True(listed.SequenceEqual(model.Keys.Where(k => k.Length > 0)), $"seed {seed}: the trees differ");
        foreach ((string path, string? content) in model)
        {
            Assert.Equal(content is null, fs.DirectoryExists(path));
            Assert.Equal(content is not null, fs.FileExists(path));
            if (content is not null)
            {
                Assert.Equal(content, fs.Text(path));
            }
        }
    }
}
