using Microsoft.Extensions.Logging;
using WinLoop.Mounting.Settings;

namespace WinLoop.Mounting.Tests.Settings;

public sealed class SettingsReaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Machine => Path.Combine(_folder, "machine.json");

    private string User => Path.Combine(_folder, "user.json");

    private UserSettings Read() => SettingsReader.Read([Machine, User], []);

    private MountException Refused(string json)
    {
        File.WriteAllText(User, json);
        MountException e = Assert.Throws<MountException>(Read);
        Assert.Equal(MountError.Usage, e.Error);
        Assert.Contains(User, e.Message, StringComparison.Ordinal);
        return e;
    }

    [Fact]
    public void Without_files_nothing_is_set() => Assert.Equal(UserSettings.None, Read());

    [Fact]
    public void The_user_overrides_the_machine_key_by_key()
    {
        File.WriteAllText(Machine, """
            // Comments are allowed, and a comma too many.
            { "mount": { "readOnly": true, "options": "ro,noexec", "acl": "posix", "umask": "077", },
              "log": { "level": "debug", "maxSize": "1M", "files": 3 } }
            """);
        File.WriteAllText(User, """{ "MOUNT": { "READONLY": false, "acl": "everyone", "uid": 5 }, "log": { "file": "/var/log/w.log", "level": null } }""");
        UserSettings settings = Read();
        Assert.False(settings.ReadOnly);
        Assert.Equal(("ro,noexec", "everyone", "077", "5"), (settings.Options, settings.Acl, settings.Umask, settings.Uid));
        Assert.Equal((LogLevel.Debug, 1L << 20, 3), (settings.LogLevel, settings.LogMaxSize, settings.LogFiles));
        Assert.Equal(OperatingSystem.IsWindows() ? null : "/var/log/w.log", settings.LogFile);
    }

    [Theory]
    [InlineData("""{ "mount": { "readOnly": "perhaps" } }""", "mount:readOnly is 'perhaps'")]
    [InlineData("""{ "mount": { "acl": "nobody" } }""", "mount:acl is 'nobody'")]
    [InlineData("""{ "mount": { "uid": -1 } }""", "mount:uid is '-1'")]
    [InlineData("""{ "mount": { "umask": "888" } }""", "mount:umask is '888'")]
    [InlineData("""{ "mount": { "fsname": "a name that is too long" } }""", "mount:fsname is")]
    [InlineData("""{ "mount": { "cache": "big" } }""", "mount:cache is 'big'")]
    [InlineData("""{ "mount": { "options": "ro,frobnicate" } }""", "mount:options is 'ro,frobnicate': 'frobnicate' is unknown")]
    [InlineData("""{ "mount": { "readonli": true } }""", "mount:readonli is no setting")]
    [InlineData("""{ "mount": true }""", "mount is no setting")]
    [InlineData("""{ "mount": { "acl": { "mode": "owner" } } }""", "mount:acl:mode is no setting")]
    [InlineData("""{ "mount": { "options": ["ro"] } }""", "mount:options:0 is no setting")]
    [InlineData("""{ "nonsense": 1 }""", "nonsense is no setting")]
    [InlineData("""{ "log": { "level": "loud" } }""", "log:level is 'loud'")]
    [InlineData("""{ "log": { "maxSize": "12" } }""", "log:maxSize is '12'")]
    [InlineData("""{ "log": { "files": 0 } }""", "log:files is '0'")]
    [InlineData("""{ "log": { "file": "relative.log" } }""", "log:file is 'relative.log'")]
    public void A_wrong_value_is_named_with_its_file_and_key(string json, string says)
    {
        if (says.StartsWith("mount:options is", StringComparison.Ordinal))
        {
            File.WriteAllText(User, json);
            Assert.Contains(says, Assert.Throws<MountException>(Read).Message, StringComparison.Ordinal);
            return;
        }
        Assert.Contains(says, Refused(json).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("""{ "mount": { "acl": "owner", "ACL": "posix" } }""")]
    public void What_is_no_JSON_is_said(string json) => Assert.NotNull(Refused(json).Hint);

    [Fact]
    public void A_wrong_value_that_is_overridden_does_not_matter_but_an_unknown_key_does()
    {
        File.WriteAllText(Machine, """{ "mount": { "acl": "nobody" } }""");
        File.WriteAllText(User, """{ "mount": { "acl": "owner" } }""");
        Assert.Equal("owner", Read().Acl);
        File.WriteAllText(Machine, """{ "mount": { "acll": "owner" } }""");
        Assert.Contains(Machine, Assert.Throws<MountException>(Read).Message, StringComparison.Ordinal);
    }
}
