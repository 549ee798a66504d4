using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Cli.Output;

/// <summary>An error in JSON.</summary>
internal sealed record ErrorAnswer(ErrorDetail Error);

/// <summary>The kind by name and by exit code, one line, and what to do.</summary>
internal sealed record ErrorDetail(string Code, int ExitCode, string Message, string? Hint);

/// <summary>The answer of <c>mount</c>.</summary>
internal sealed record MountAnswer(
    string Directory, string Image, int? Partition, long Offset, long Size, string Label, string Uuid, bool ReadOnly,
    string? ReadOnlyReason, string FileSystem, string Device, int Pid)
{
    /// <summary>Where the writes go: a file, <c>memory</c>, or null if they go into the image.</summary>
    public string? Overlay { get; init; }

    /// <summary>The image's SHA-256 before the mount, with <c>--verify</c>.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>What <c>--verify</c> found: the image's SHA-256 before the mount and after it.</summary>
internal sealed record VerifyAnswer(string Before, string After, bool Unchanged)
{
    internal string Sentence(string image) => $"SHA-256 of {image} before: {Before}, after: {After}: unchanged.";
}

/// <summary>The second answer of <c>mount -f --verify</c>, at its end.</summary>
internal sealed record EndAnswer(string Directory, string Image, VerifyAnswer Verify);

/// <summary>The answer of <c>overlay commit</c>.</summary>
internal sealed record OverlayCommitAnswer(string Overlay, string Image, long Bytes, bool WasCommitted);

/// <summary>The answer of <c>overlay discard</c>.</summary>
internal sealed record OverlayDiscardAnswer(string Overlay);

/// <summary>The answer of <c>overlay info</c>; <paramref name="State"/> is active, committing or committed.</summary>
internal sealed record OverlayInfoAnswer(string Overlay, string State, string Image, long ImageSize, DateTimeOffset Created, long Changed);

/// <summary>What a serving process in the background tells the one that started it.</summary>
internal sealed record ReadyMessage(MountAnswer? Mount, IReadOnlyList<string> Notes, ErrorDetail? Error);

/// <summary>The answer of <c>unmount</c>.</summary>
internal sealed record UnmountAnswer(string Directory, string Image)
{
    /// <summary>Of a mount with <c>--verify</c>.</summary>
    public VerifyAnswer? Verify { get; init; }
}

/// <summary>The answer of <c>unmount --all</c>.</summary>
internal sealed record UnmountAllAnswer(IReadOnlyList<UnmountAnswer> Mounts, IReadOnlyList<ErrorDetail> Failed);

/// <summary>The answer of <c>list</c>.</summary>
internal sealed record ListAnswer(IReadOnlyList<ListedMount> Mounts);

/// <summary>One mount of <c>list</c>; sizes in bytes.</summary>
internal sealed record ListedMount(
    string Directory, string Image, int? Partition, long Offset, long Size, long? Free, string Label, string Uuid, bool ReadOnly,
    string? ReadOnlyReason, string State, string FileSystem, string Device, uint Owner, int Pid, DateTimeOffset Since,
    bool Service, bool Kept, string? Reason, string? OwnerSid)
{
    /// <summary>Where the writes go: a file, <c>memory</c>, or null if they go into the image.</summary>
    public string? Overlay { get; init; }
}

/// <summary>The answer of <c>service status</c>. <paramref name="State"/> is running, stopped or not-installed.</summary>
internal sealed record ServiceStatusAnswer(string State, int? Pid, string? Version, int? Protocol, int? Mounts, DateTimeOffset? Since,
    IReadOnlyList<string> Waiting);

/// <summary>The answer of <c>service resume</c>.</summary>
internal sealed record ResumeAnswer(IReadOnlyList<MountAnswer> Mounts, IReadOnlyList<ErrorDetail> Failed);

/// <summary>The answer of <c>create</c>; sizes in bytes.</summary>
internal sealed record CreateAnswer(
    string Image, long Size, int BlockSize, ulong Blocks, uint Inodes, int InodeSize, long Journal, string Label, string Uuid);

/// <summary>The answer of <c>convert</c>; <paramref name="SourceFormat"/> is null for a raw image, sizes in bytes.</summary>
internal sealed record ConvertAnswer(string Image, string Output, string? SourceFormat, string Format, long Size, long Copied, long FileSize);

/// <summary>The answer of <c>resize</c>; sizes in bytes. <paramref name="Directory"/> is null if it was not mounted.</summary>
internal sealed record ResizeAnswer(string Image, string? Directory, long SizeBefore, long Size, long FileSize, int BlockSize, long Blocks);

/// <summary>The answer of <c>trim</c>; <paramref name="Bytes"/> are free, those that were trimmed before among them.</summary>
internal sealed record TrimAnswer(string Image, string? Directory, long Bytes);

/// <summary>The answer of <c>ls</c>.</summary>
internal sealed record LsAnswer(IReadOnlyList<LsEntry> Entries);

/// <summary>One file of <c>ls</c>. <paramref name="Path"/> is inside the volume; bytes that are no UTF-8 are U+FFFD in it.</summary>
internal sealed record LsEntry(string Path, string Type, string Mode, uint Links, uint Uid, uint Gid, long Size, DateTimeOffset Modified,
    ulong Inode, string? Target, string? Device);

/// <summary>The answer of <c>cp</c>.</summary>
internal sealed record CopyAnswer(long Files, long Directories, long Others, long Bytes, IReadOnlyList<string> Skipped, IReadOnlyList<ErrorDetail> Failed);

/// <summary>The answer of <c>doctor</c>.</summary>
internal sealed record DoctorAnswer(bool Healthy, string Version, IReadOnlyList<DoctorItem> Items);

/// <summary>One item of <c>doctor</c>; <paramref name="State"/> is ok, warning or broken.</summary>
internal sealed record DoctorItem(string Name, string State, string Finding, string? Remedy);

/// <summary>JSON of the answers, generated at build time.</summary>
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(MountAnswer))]
[JsonSerializable(typeof(UnmountAnswer))]
[JsonSerializable(typeof(UnmountAllAnswer))]
[JsonSerializable(typeof(EndAnswer))]
[JsonSerializable(typeof(ScanAnswer))]
[JsonSerializable(typeof(OverlayCommitAnswer))]
[JsonSerializable(typeof(OverlayDiscardAnswer))]
[JsonSerializable(typeof(OverlayInfoAnswer))]
[JsonSerializable(typeof(ListAnswer))]
[JsonSerializable(typeof(CreateAnswer))]
[JsonSerializable(typeof(ServiceStatusAnswer))]
[JsonSerializable(typeof(ResumeAnswer))]
[JsonSerializable(typeof(ConvertAnswer))]
[JsonSerializable(typeof(ResizeAnswer))]
[JsonSerializable(typeof(TrimAnswer))]
[JsonSerializable(typeof(InfoAnswer))]
[JsonSerializable(typeof(CheckAnswer))]
[JsonSerializable(typeof(DoctorAnswer))]
[JsonSerializable(typeof(LsAnswer))]
[JsonSerializable(typeof(CopyAnswer))]
[JsonSerializable(typeof(MountStatistics))]
internal sealed partial class AnswerJson : JsonSerializerContext
{
    /// <summary>Quotes and letters of all languages as they are; it is read by people too, and never put into HTML.</summary>
    internal static AnswerJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}

/// <summary>JSON between the processes of one mount.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ReadyMessage))]
internal sealed partial class ReadyJson : JsonSerializerContext;
