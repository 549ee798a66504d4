using System.Globalization;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>One damaged image as a text: the seed image, the changes, and the seed of what is done with it. A failing image is
/// printed in this form; as a file in Recipes/ it stays a test.</summary>
/// <param name="Seed">Name of the seed image.</param>
/// <param name="Lines">The changes: set, copy, flip, cut, fix.</param>
/// <param name="Walk">Decides what is done with the volume.</param>
internal sealed record Recipe(string Seed, IReadOnlyList<string> Lines, int Walk)
{
    /// <summary>Reads a recipe; lines that begin with # are comments.</summary>
    public static Recipe Parse(string text)
    {
        string[] lines = [.. text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#')];
        return new Recipe(lines.Single(l => l.StartsWith("seed ", StringComparison.Ordinal))[5..],
            [.. lines.Where(l => !l.StartsWith("seed ", StringComparison.Ordinal) && !l.StartsWith("walk ", StringComparison.Ordinal))],
            int.Parse(lines.Single(l => l.StartsWith("walk ", StringComparison.Ordinal))[5..], CultureInfo.InvariantCulture));
    }

    /// <summary>The text.</summary>
    public override string ToString() => $"seed {Seed}\n{string.Join('\n', Lines)}\nwalk {Walk}";

    /// <summary>Changes an image.</summary>
    public void Apply(HostileDevice device, ImageMap map, ImageMutator mutator)
    {
        mutator.Begin();
        foreach (string line in Lines)
        {
            string[] words = line.Split(' ');
            switch (words[0])
            {
                case "set":
                    mutator.Set(device, Target(words, 1), int.Parse(words[4].AsSpan(1), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                        Number(words[5]), ulong.Parse(words[6], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                    break;
                case "copy":
                    mutator.Copy(device, Target(words, 1), Target(words, 4));
                    break;
                case "flip":
                    device.Touch(Number(words[1]), 1);
                    device.Bytes[Number(words[1])] ^= (byte)(1 << Number(words[2]));
                    mutator.Log.Add(line);
                    break;
                case "cut":
                    device.Length = Number(words[1]);
                    mutator.Log.Add(line);
                    break;
                case "fix":
                    mutator.Fix(device);
                    break;
                default:
                    throw new FormatException(line);
            }
        }

        Target Target(string[] words, int at) => map[Enum.Parse<TargetKind>(words[at]), (uint)Number(words[at + 1]), Number(words[at + 2])];
        static int Number(string word) => int.Parse(word, CultureInfo.InvariantCulture);
    }
}
