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

/// <summary>The answer of <c>list</c>.</summary>
internal sealed record ListAnswer(IReadOnlyList<ListedMount> Mounts);

/// <summary>One mount of <c>list</c>; sizes in bytes.</summary>
internal sealed record ListedMount(
    string Directory, string Image, int? Partition, long Offset, long Size, long? Free, string Label, string Uuid, bool ReadOnly,
    string? ReadOnlyReason, string State, string FileSystem, string Device, uint Owner, int Pid, DateTimeOffset Since);

/// <summary>The answer of <c>create</c>; sizes in bytes.</summary>
internal sealed record CreateAnswer(
    string Image, long Size, int BlockSize, ulong Blocks, uint Inodes, int InodeSize, long Journal, string Label, string Uuid);

/// <summary>JSON of the answers, generated at build time.</summary>
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(MountAnswer))]
[JsonSerializable(typeof(UnmountAnswer))]
[JsonSerializable(typeof(ListAnswer))]
[JsonSerializable(typeof(CreateAnswer))]
[JsonSerializable(typeof(InfoAnswer))]
[JsonSerializable(typeof(CheckAnswer))]
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
