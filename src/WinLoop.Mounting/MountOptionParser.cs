using WinLoop.Ext4;

namespace WinLoop.Mounting;

/// <summary>Reads the comma-separated list of <c>mount -o</c>; a later option overrides an earlier one.</summary>
public static class MountOptionParser
{
    private const string What = "wrong mount option";

    // Words of fstab and of other tools that say nothing about the mount itself, and options that only
    // ask for what WinLoop does anyway.
    private static readonly HashSet<string> s_ignored = new(StringComparer.Ordinal)
    {
        "defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup",
        "nofail", "_netdev", "loop", "async", "nodiratime", "diratime", "nolazytime", "silent", "loud",
        "default_permissions", "acl", "user_xattr", "bsddf", "nogrpid", "sysvgroups", "auto_da_alloc", "block_validity",
        "init_itable", "nodelalloc", "data=ordered", "data_err=abort", "iversion",
    };

    // Options of Linux's ext4 that WinLoop knows and does not have.
    private static readonly HashSet<string> s_unsupported = new(StringComparer.Ordinal)
    {
        "remount", "bind", "rbind", "move", "lazytime", "mand", "noacl", "nouser_xattr", "grpid", "bsdgroups", "minixdf",
        "data=journal", "data=writeback", "data_err=ignore", "journal_async_commit", "journal_checksum", "dax",
        "noauto_da_alloc", "usrquota", "grpquota", "prjquota", "quota", "delalloc", "test_dummy_encryption", "inlinecrypt",
        "sb", "resuid", "resgid", "jqfmt", "usrjquota", "grpjquota", "journal_dev", "journal_path", "journal_ioprio", "stripe",
        "uid", "gid", "umask", "fmask", "dmask", "max_batch_time", "min_batch_time", "inode_readahead_blks", "max_dir_size_kb",
    };

    /// <summary>Parses <paramref name="list"/> on top of <paramref name="start"/>.</summary>
    /// <param name="list">For example <c>ro,noatime,offset=1M</c>; empty entries are skipped.</param>
    /// <param name="start">What holds before the first option.</param>
    /// <param name="notes">Gets a sentence for each option that is taken with a different meaning.</param>
    /// <exception cref="MountException">Names the option that is unknown, unsupported or malformed.</exception>
    public static MountOptions Parse(string list, MountOptions start, ICollection<string> notes)
    {
        MountOptions options = start;
        foreach (string entry in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            options = Apply(options, entry, notes);
        }
        if (options.SkipRecovery && !options.IsReadOnly)
        {
            throw new MountException(MountError.Usage, What, "noload (norecovery) needs ro",
                "Add ro: a volume whose journal was not replayed must not be written.");
        }
        return options;
    }

    private static MountOptions Apply(MountOptions options, string entry, ICollection<string> notes)
    {
        int equals = entry.IndexOf('=');
        string name = equals < 0 ? entry : entry[..equals];
        string? value = equals < 0 ? null : entry[(equals + 1)..];
        if (s_ignored.Contains(entry) || name is "comment" || name.StartsWith("x-", StringComparison.OrdinalIgnoreCase))
        {
            return options;
        }
        if (s_unsupported.Contains(entry) || (value != null && s_unsupported.Contains(name)))
        {
            throw new MountException(MountError.Unsupported, $"mount option '{entry}'", "WinLoop does not support it",
                "Leave it out of -o.");
        }
        return value == null ? ApplyFlag(options, name) : ApplyValue(options, name, value, notes);
    }

    private static MountOptions ApplyFlag(MountOptions options, string name) => name switch
    {
        "ro" => options with { IsReadOnly = true },
        "rw" => options with { IsReadOnly = false },
        "noatime" or "norelatime" => options with { AccessTime = AccessTimeMode.None },
        "relatime" or "atime" => options with { AccessTime = AccessTimeMode.Relative },
        "strictatime" => options with { AccessTime = AccessTimeMode.Strict },
        "suid" => options with { Suid = true },
        "nosuid" => options with { Suid = false },
        "dev" => options with { Dev = true },
        "nodev" => options with { Dev = false },
        "exec" => options with { Exec = true },
        "noexec" => options with { Exec = false },
        "sync" => options with { Sync = true },
        "dirsync" => options with { DirSync = true },
        "allow_other" => options with { AllowOther = true },
        "noallow_other" => options with { AllowOther = false },
        "barrier" => options with { Barrier = true },
        "nobarrier" => options with { Barrier = false },
        "discard" => options with { Discard = true },
        "nodiscard" => options with { Discard = false },
        "noload" or "norecovery" => options with { SkipRecovery = true },
        _ => throw Unknown(name),
    };

    private static MountOptions ApplyValue(MountOptions options, string name, string value, ICollection<string> notes)
    {
        switch (name)
        {
            case "offset":
                return options with { Offset = Size(name, value, 0) };
            case "sizelimit":
                // losetup takes 0 as no limit.
                return options with { SizeLimit = Size(name, value, 0) is > 0 and long limit ? limit : null };
            case "cache":
                return options with { CacheBytes = Size(name, value, 1 << 20) };
            case "commit":
                int seconds = Number(name, value, 0, 86400);
                return options with { CommitInterval = seconds == 0 ? 5 : seconds };
            case "barrier":
                return options with { Barrier = Number(name, value, 0, 1) == 1 };
            case "errors" when value == "continue":
                return options with { Errors = ErrorsBehaviour.Continue };
            case "errors" when value == "remount-ro":
                return options with { Errors = ErrorsBehaviour.RemountReadOnly };
            case "errors" when value == "panic":
                notes.Add("errors=panic is taken as errors=remount-ro");
                return options with { Errors = ErrorsBehaviour.RemountReadOnly };
            case "errors" or "data":
                throw new MountException(MountError.Usage, What, $"'{name}={value}' is not a value of {name}=",
                    name == "data" ? "Use data=ordered." : "Use errors=continue, errors=remount-ro or errors=panic.");
            // What mount(8) and fusermount3 hand to FUSE helpers: identity comes from the process itself.
            case "user_id" or "group_id" or "fsname" or "subtype" or "rootmode" or "fd":
                return options;
            default:
                throw Unknown($"{name}={value}");
        }
    }

    private static MountException Unknown(string entry) => new(MountError.Usage, What, $"'{entry}' is unknown",
        "See 'winloop mount --help' for the options of -o.");

    private static long Size(string name, string value, long minimum) =>
        ByteSize.TryParse(value, out long size) && size >= minimum
            ? size
            : throw new MountException(MountError.Usage, What, $"'{name}={value}' is not a size of at least {minimum} bytes",
                "Give bytes, or a number with K, M, G or T.");

    private static int Number(string name, string value, int minimum, int maximum) =>
        int.TryParse(value, System.Globalization.NumberStyles.None, null, out int number) && number >= minimum && number <= maximum
            ? number
            : throw new MountException(MountError.Usage, What, $"'{name}={value}' is not a number from {minimum} to {maximum}");
}
