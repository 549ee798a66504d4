using System.Text.Json;
using System.Text.Json.Serialization;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Mounting.Registry;

/// <summary>JSON of the files and sockets of the registry, generated at build time so that it starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
[JsonSerializable(typeof(MountRecord))]
[JsonSerializable(typeof(MountStatistics))]
[JsonSerializable(typeof(ControlAnswer))]
internal sealed partial class RegistryJson : JsonSerializerContext;
