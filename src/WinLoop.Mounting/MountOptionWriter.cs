using System.Globalization;
using WinLoop.Ext4;

namespace WinLoop.Mounting;

/// <summary>Writes options as the list of <c>mount -o</c> that <see cref="MountOptionParser"/> reads.</summary>
public static class MountOptionWriter
{
    /// <summary>The list; parsed on top of the defaults it gives these options again.</summary>
    public static string ToList(MountOptions options)
    {
        var words = new List<string>
        {
            options.IsReadOnly ? "ro" : "rw",
            options.AccessTime switch
            {
                AccessTimeMode.Relative => "relatime",
                AccessTimeMode.Strict => "strictatime",
                _ => "noatime",
            },
            "errors=" + (options.Errors == ErrorsBehaviour.Continue ? "continue" : "remount-ro"),
            Number("commit", options.CommitInterval),
            Number("cache", options.CacheBytes),
        };
        if (options.Errors == default)
        {
            words.RemoveAll(word => word.StartsWith("errors=", StringComparison.Ordinal)); // as the volume says
        }
        AddIf(options.Suid, "suid", "nosuid");
        AddIf(options.Dev, "dev", "nodev");
        AddIf(options.AllowOther, "allow_other", "noallow_other");
        AddIf(options.Exec ? null : false, "exec", "noexec");
        AddIf(options.Sync ? true : null, "sync", "");
        AddIf(options.DirSync ? true : null, "dirsync", "");
        AddIf(options.Barrier ? null : false, "barrier", "nobarrier");
        AddIf(options.Discard ? true : null, "discard", "");
        AddIf(options.SkipRecovery ? true : null, "noload", "");
        if (options.Offset is { } offset)
        {
            words.Add(Number("offset", offset));
        }
        if (options.SizeLimit is { } limit)
        {
            words.Add(Number("sizelimit", limit));
        }
        return string.Join(',', words);

        void AddIf(bool? value, string yes, string no)
        {
            if (value is { } set)
            {
                words.Add(set ? yes : no);
            }
        }
    }

    private static string Number(string name, long value) => name + "=" + value.ToString(CultureInfo.InvariantCulture);
}
