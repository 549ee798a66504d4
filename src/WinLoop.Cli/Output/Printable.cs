namespace WinLoop.Cli.Output;

/// <summary>Text from an image may hold anything; what reaches a terminal holds no control characters.</summary>
internal static class Printable
{
    internal static string Text(string text)
    {
        if (!text.Any(char.IsControl))
        {
            return text;
        }
        return string.Create(text.Length, text, static (to, from) =>
        {
            for (int i = 0; i < from.Length; i++)
            {
                to[i] = char.IsControl(from[i]) ? '\uFFFD' : from[i];
            }
        });
    }
}
