using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// The second judge: e2fsck on a sample of the recovered images. Images are collected and judged together, because
/// starting a program takes longer than checking a small image. For one thread.
/// </summary>
internal sealed class FsckJudge(string folder) : IDisposable
{
    private const int BatchSize = 48;

    private readonly List<Action<string>> _failures = [];

    /// <summary>Images judged.</summary>
    public int Count { get; private set; }

    /// <summary>Takes an image.</summary>
    /// <param name="image">It; copied.</param>
    /// <param name="onFailure">Called with e2fsck's words if it finds anything, perhaps much later.</param>
    public void Add(ReadOnlySpan<byte> image, Action<string> onFailure)
    {
        Directory.CreateDirectory(folder);
        using (var file = new FileStream(PathOf(_failures.Count), System.IO.FileMode.Create, FileAccess.Write, FileShare.None, 0))
        {
            file.Write(image);
        }
        _failures.Add(onFailure);
        if (_failures.Count == BatchSize)
        {
            Flush();
        }
    }

    /// <summary>Judges what is waiting.</summary>
    public void Flush()
    {
        if (_failures.Count == 0)
        {
            return;
        }
        string answer = Shell.Run("bash",
            ["-c", $"for i in $(seq 0 {_failures.Count - 1}); do timeout 20 e2fsck -fn {folder}/$i.img > {folder}/out 2>&1; c=$?; echo \"@ $i $c\"; [ $c = 0 ] || cat {folder}/out; done"], 1200).Output;
        Action<string>[] failures = [.. _failures];
        _failures.Clear();
        Count += failures.Length;
        string[] parts = answer.Split("@ ", StringSplitOptions.RemoveEmptyEntries);
        int answered = 0;
        foreach (string part in parts)
        {
            string[] words = part.Split([' ', '\n'], 3);
            answered++;
            if (words[1] != "0")
            {
                failures[int.Parse(words[0])]($"e2fsck -fn exits {words[1]}\n{words[^1]}");
            }
        }
        Assert.True(answered == failures.Length, $"e2fsck judged {answered} of {failures.Length} images\n{answer}");
    }

    /// <summary>What e2fsck says about one image, for the report of another judge's finding.</summary>
    public string Ask(ReadOnlySpan<byte> image)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "asked.img");
        File.WriteAllBytes(path, image);
        Shell.Result result = Shell.Run("e2fsck", ["-fn", path]);
        return $"e2fsck -fn exits {result.ExitCode}{(result.ExitCode == 0 ? "" : "\n" + result.Output)}";
    }

    public void Dispose()
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private string PathOf(int number) => Path.Combine(folder, $"{number}.img");
}
