using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Renames, of the groups "info" and "exec".</summary>
public sealed class RenameTests
{
    private const uint ReadOnly = 0x1;
    private const RenameOptions Plain = RenameOptions.None, Replace = RenameOptions.Replace, Posix = RenameOptions.Replace | RenameOptions.Posix;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_and_a_directory_get_other_names(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\a");
        client.MakeDirectory(@"\b");
        client.WriteAll(@"\a\f", "content"u8);
        ulong index = InfoOf(client, @"\a\f").IndexNumber;
        using (NtFile file = client.Create(@"\a\f", Access.Read | Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.Success, file.TryRename(@"\a\g"));
            Assert.Equal(NtStatus.Success, file.TryRename(@"\B\H"));
            Assert.Equal("content"u8.ToArray(), file.ReadAll());
            Assert.Equal(index, file.GetInfo().IndexNumber);
            Assert.Equal(NtStatus.ObjectPathNotFound, file.TryRename(@"\nowhere\f"));
            Assert.NotEqual(NtStatus.Success, file.TryRename(@"\b\h\f")); // below itself
            Assert.Equal(NtStatus.ObjectNameInvalid, file.TryRename(@"\b\x?y"));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\"));
        }
        using (NtFile directory = client.Create(@"\a", Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.Success, directory.TryRename(@"\c\")); // a backslash at the end
            Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\c\below"));
            Assert.Equal(NtStatus.Success, directory.TryRename(@"\b\c"));
        }
        using (NtFile file = client.Create(@"\b\h", Access.ReadWrite, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\x")); // without DELETE
        }
        using (NtFile root = client.Create(@"\", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, root.TryRename(@"\x"));
        }
        mount.Finish();
        Assert.Equal("b b/H b/c\n", mount.Image.WithKernel("cd $M; rmdir lost+found; echo $(find -mindepth 1 -printf '%P\\n' | sort)"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_existing_name_is_replaced_only_if_asked_for_and_never_a_directory(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "f"u8);
        client.WriteAll(@"\g", "g"u8);
        client.MakeDirectory(@"\d");
        client.MakeDirectory(@"\empty");
        client.WriteAll(@"\d\x", "x"u8);
        using (NtFile file = client.Create(@"\f", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.ObjectNameCollision, file.TryRename(@"\G"));
            Assert.Equal(NtStatus.ObjectNameCollision, file.TryRename(@"\d"));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\d", Replace));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\empty", Posix));
            Assert.Equal(NtStatus.Success, file.TryRename(@"\f")); // onto itself
            Assert.Equal(NtStatus.Success, file.TryRename(@"\G", Replace));
            Assert.Equal(@"\G", file.GetName());
        }
        using (NtFile directory = client.Create(@"\empty", Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.ObjectNameCollision, directory.TryRename(@"\g"));
            Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\g", Replace));
            Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\d", Posix));
        }
        mount.Finish();
        Assert.Equal("fx", mount.Image.WithKernel("cd $M; cat G d/x; test ! -e f -a ! -e g -a -d empty"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_open_target_is_replaced_with_posix_semantics_only_and_lives_on(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        client.WriteAll(@"\f", "new"u8);
        client.WriteAll(@"\g", "old"u8);
        NtFile target = client.Create(@"\g", disposition: Disposition.Open);
        using (NtFile file = client.Create(@"\f", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.ObjectNameCollision, file.TryRename(@"\g"));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\g", Replace));
            target.Write(3, " but alive, written late"u8);
            Assert.Equal(NtStatus.Success, file.TryRename(@"\g", Posix));
            Assert.Equal(@"\g", file.GetName());
        }
        Assert.Equal("new"u8.ToArray(), client.ReadAll(@"\g"));
        Assert.Equal("old but alive, written late"u8.ToArray(), target.ReadAll());
        target.Write(0, new byte[100_000]);
        target.Dispose();
        client.WriteLazily();
        Assert.Equal(0, client.GetStatistics().LostWrites);
        Assert.Equal("new"u8.ToArray(), client.ReadAll(@"\g"));
        mount.Finish();
        Assert.Equal("new", mount.Image.WithKernel("cat $M/g"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_readonly_target_is_replaced_only_if_that_is_to_be_ignored(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "f"u8);
        client.Create(@"\g", Access.ReadAttributes, Disposition.Create, attributes: ReadOnly).Dispose();
        using (NtFile file = client.Create(@"\f", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\g", Replace));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\g", Posix));
            Assert.Equal(NtStatus.Success, file.TryRename(@"\g", Posix | RenameOptions.IgnoreReadOnly));
        }
        client.Create(@"\r", Access.ReadAttributes, Disposition.Create, attributes: ReadOnly).Dispose();
        client.Rename(@"\r", @"\r2"); // its own READONLY does not hold a file back
        mount.Finish();
        Assert.Equal("f", mount.Image.WithKernel("cd $M; cat g; test -e r2"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_case_of_a_name_changes(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\Folder");
        client.WriteAll(@"\Folder\file ä", "x"u8);
        using (NtFile file = client.Create(@"\folder\FILE Ä", Access.Read | Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.Success, file.TryRename(@"\folder\File Ä"));
            Assert.Equal("x"u8.ToArray(), file.ReadAll());
        }
        client.Rename(@"\FOLDER", @"\FoLdEr", Plain);
        using (NtFile file = client.Create(@"\folder\file ä", Access.Read, Disposition.Open))
        {
            Assert.Equal(@"\FoLdEr\File Ä", file.GetName());
        }
        Assert.Equal(["File Ä"], client.List(@"\folder").Select(i => i.Name));
        mount.Finish();
        Assert.Equal("FoLdEr/File Ä\n", mount.Image.WithKernel("cd $M; ls -d F*/*"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Two_files_change_places_many_times(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d1");
        client.MakeDirectory(@"\d2");
        client.WriteAll(@"\d1\f", "one"u8);
        client.WriteAll(@"\d2\F", "two"u8);
        using (NtFile one = client.Create(@"\d1\f", Access.Read | Access.Delete, Disposition.Open), two = client.Create(@"\d2\f", Access.Read | Access.Delete, Disposition.Open))
        {
            for (int i = 0; i < 101; i++)
            {
                (string here, string there) = i % 2 == 0 ? (@"\d1\f", @"\d2\F") : (@"\d2\F", @"\d1\f");
                one.Rename(@"\between", Plain);
                two.Rename(here, Plain);
                one.Rename(there, Plain);
                Assert.Equal((there, here), (one.GetName(), two.GetName()));
                Assert.Equal("one"u8.ToArray(), client.ReadAll(there));
                Assert.Equal("two"u8.ToArray(), client.ReadAll(here));
            }
        }
        mount.Finish();
        Assert.Equal("twoone", mount.Image.WithKernel("cd $M; cat d1/f d2/F"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_directory_with_open_files_below_does_not_move(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\a");
        client.MakeDirectory(@"\a\b");
        client.WriteAll(@"\a\b\f", "x"u8);
        client.MakeDirectory(@"\ab");
        using (NtFile directory = client.Create(@"\a", Access.Delete, Disposition.Open, Options.Directory))
        {
            using (client.Create(@"\A\B\F", Access.Read, Disposition.Open))
            {
                Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\c"));
                Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\A"));
            }
            using (client.Create(@"\ab", Access.Read, Disposition.Open, Options.Directory)) // begins like it, but is not below it
            {
                Assert.Equal(NtStatus.Success, directory.TryRename(@"\c"));
            }
        }
        Assert.False(client.Exists(@"\a\b\f"));
        Assert.Equal("x"u8.ToArray(), client.ReadAll(@"\c\b\f"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Late_writes_follow_a_file_under_its_new_name(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(777_777);
        client.MakeDirectory(@"\d");
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create))
        {
            file.Write(0, content);
        }
        Assert.True(client.GetStatistics().DirtyPages > 100);
        client.Rename(@"\f", @"\d\g");
        client.WriteAll(@"\f", "another"u8);
        client.Rename(@"\d", @"\e");
        client.WriteLazily();
        Assert.Equal(content, client.ReadAll(@"\e\g"));
        mount.Finish();
        Assert.Equal(RandomContent.Sum(content) + "  e/g\nanother", mount.Image.WithKernel("cd $M; sha256sum e/g; cat f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Onto_another_name_of_the_same_file_the_old_name_goes(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; echo linked > a; ln a b; mkdir d; ln a d/c");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        client.Rename(@"\a", @"\b", Replace);
        client.Rename(@"\b", @"\D\C", Posix);
        mount.Finish();
        Assert.Equal("linked\n1 d/C\n", mount.Image.WithKernel("cd $M; cat d/C; stat -c '%h %n' d/C; test ! -e a -a ! -e b -a ! -e d/c"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Random_renames_leave_the_tree_that_a_model_has(HostKind kind)
    {
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        // Path in the spelling on disk -> content, null for a directory.
        var model = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase) { [""] = null };
        for (int i = 0; i < 400; i++)
        {
            List<string> directories = [.. model.Where(e => e.Value is null).Select(e => e.Key)];
            string Pick() => $@"{directories[random.Next(directories.Count)]}\{(random.Next(2) == 0 ? "Name" : "nAME")} {random.Next(6)}";
            string to = Pick();
            string? there = model.Keys.FirstOrDefault(k => k.Equals(to, StringComparison.OrdinalIgnoreCase));
            if (to.Length > 200)
            {
                continue;
            }
            if (random.Next(3) == 0 && there is null)
            {
                bool isDirectory = random.Next(2) == 0;
                model[to] = isDirectory ? null : $"content {i}";
                if (isDirectory)
                {
                    client.MakeDirectory(to);
                }
                else
                {
                    client.WriteAll(to, System.Text.Encoding.UTF8.GetBytes(model[to]!));
                }
                continue;
            }
            if (model.Count == 1)
            {
                continue;
            }
            string from = model.Keys.Where(k => k.Length > 0).ElementAt(random.Next(model.Count - 1));
            bool moves = !to.StartsWith(from + @"\", StringComparison.OrdinalIgnoreCase);
            bool isSame = from.Equals(to, StringComparison.OrdinalIgnoreCase);
            bool replaces = there is not null && !isSame;
            bool fits = moves && (!replaces || (model[there!] is not null && model[from] is not null));
            using (NtFile file = client.Create(from, Access.Delete, Disposition.Open))
            {
                Assert.Equal(fits ? NtStatus.Success : NtStatus.AccessDenied, file.TryRename(to, RenameOptions.Replace));
            }
            if (!fits)
            {
                continue;
            }
            if (replaces)
            {
                model.Remove(there!);
            }
            foreach (string path in model.Keys.Where(k => k.Equals(from, StringComparison.OrdinalIgnoreCase) || k.StartsWith(from + @"\", StringComparison.OrdinalIgnoreCase)).ToList())
            {
                string? content = model[path];
                model.Remove(path);
                model[to + path[from.Length..]] = content;
            }
        }
        mount.Finish();
        IEnumerable<string> expected = model.Where(e => e.Key.Length > 0).Select(e => e.Key[1..].Replace('\\', '/') + "=" + e.Value).Order(StringComparer.Ordinal);
        string kernel = mount.Image.WithKernel("cd $M; rmdir lost+found; find -mindepth 1 -printf '%P\\n' | while read -r p; do echo \"$p=$(test -d \"$p\" || cat \"$p\")\"; done");
        Assert.Equal(expected, kernel.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    private static WindowsFileInfo InfoOf(StandInClient client, string path)
    {
        using NtFile file = client.Create(path, Access.ReadAttributes, Disposition.Open);
        return file.GetInfo();
    }
}
