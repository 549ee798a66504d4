using Microsoft.Extensions.Configuration;

namespace WinLoop.Mounting.Settings;

/// <summary>One place that settings come from, and how it is named to the user.</summary>
/// <param name="Place">The file, or <c>the environment</c>.</param>
/// <param name="Configuration">What it holds.</param>
/// <param name="IsEnvironment">Keys are shown as the variables that they are.</param>
internal sealed record SettingsSource(string Place, IConfiguration Configuration, bool IsEnvironment)
{
    private const string Prefix = "WINLOOP_", Separator = "__";

    /// <summary>The variables of this process that are settings; null if there are none.</summary>
    public static SettingsSource? OfEnvironment(IReadOnlyCollection<string> sections)
    {
        // The library is loaded only for those who use it.
        bool isUsed = Environment.GetEnvironmentVariables().Keys.Cast<string>().Any(name =>
            sections.Any(section => name.StartsWith(Prefix + section + Separator, StringComparison.OrdinalIgnoreCase)));
        return isUsed ? Read() : null;

        static SettingsSource Read() => new("the environment", new ConfigurationBuilder().AddEnvironmentVariables(Prefix).Build(), IsEnvironment: true);
    }

    /// <summary>What a file holds; null if there is none.</summary>
    /// <exception cref="MountException">It cannot be read, or is no JSON.</exception>
    public static SettingsSource? OfFile(string path)
    {
        string what = $"cannot read the settings in {path}";
        try
        {
            return File.Exists(path) ? Read(path) : null;
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or System.Text.Json.JsonException)
        {
            Exception cause = e.InnerException ?? e;
            throw new MountException(MountError.Usage, what, $"it is no JSON: {cause.Message.TrimEnd('.')}", "Correct the file, or move it away.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failures.Explain(e, what);
        }

        static SettingsSource Read(string path)
        {
            using FileStream stream = File.OpenRead(path);
            return new SettingsSource(path, new ConfigurationBuilder().AddJsonStream(stream).Build(), IsEnvironment: false);
        }
    }

    /// <summary>How the user wrote a key here.</summary>
    public string NameOf(string key) => IsEnvironment ? Prefix + key.Replace(":", Separator, StringComparison.Ordinal).ToUpperInvariant() : key;

    /// <summary>Complains about a key.</summary>
    public MountException Wrong(string key, string why, string hint) =>
        new(MountError.Usage, $"wrong setting in {Place}", $"{NameOf(key)} {why}", hint);
}
