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
    string? ReadOnlyReason, string FileSystem, string Device, int Pid);

/// <summary>What a serving process in the background tells the one that started it.</summary>
internal sealed record ReadyMessage(MountAnswer? Mount, IReadOnlyList<string> Notes, ErrorDetail? Error);

/// <summary>The answer of <c>unmount</c>.</summary>
internal sealed record UnmountAnswer(string Directory, string Image);

/// <summary>The answer of <c>unmount --all</c>.</summary>
internal sealed record UnmountAllAnswer(IReadOnlyList<UnmountAnswer> Mounts, IReadOnlyList<ErrorDetail> Failed);

/// <summary>The answer of <c>list</c>.</summary>
internal sealed record ListAnswer(IReadOnlyList<ListedMount> Mounts);

/// <summary>One mount of <c>list</c>; sizes in bytes.</summary>
internal sealed record ListedMount(
    string Directory, string Image, int? Partition, long Offset, long Size, long? Free, string Label, string Uuid, bool ReadOnly,
    string? ReadOnlyReason, string State, string FileSystem, string Device, uint Owner, int Pid, DateTimeOffset Since);

/// <summary>The answer of <c>create</c>; sizes in bytes.</summary>
internal sealed record CreateAnswer(
    string Image, long Size, int BlockSize, ulong Blocks, uint Inodes, int InodeSize, long Journal, string Label, string Uuid);

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
[JsonSerializable(typeof(ListAnswer))]
[JsonSerializable(typeof(CreateAnswer))]
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
