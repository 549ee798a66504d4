using System.Globalization;
using System.Text;

namespace WinLoop.Mounting.Registry;

/// <summary>
/// Writes a record as JSON by hand. It is on the way of every mount, and loading the serializer for it costs
/// 15 ms there; reading, which nobody waits for, uses the serializer.
/// </summary>
internal static class MountRecordWriter
{
    internal static byte[] ToJson(MountRecord r)
    {
        var text = new StringBuilder(1024);
        text.Append('{');
        Add(text, "id", r.Id);
        Add(text, "image", r.Image);
        Add(text, "directory", r.Directory);
        AddRaw(text, "partition", r.Partition?.ToString(CultureInfo.InvariantCulture) ?? "null");
        AddRaw(text, "offset", r.Offset.ToString(CultureInfo.InvariantCulture));
        AddRaw(text, "size", r.Size.ToString(CultureInfo.InvariantCulture));
        Add(text, "label", r.Label);
        Add(text, "uuid", r.Uuid);
        AddRaw(text, "readOnly", r.ReadOnly ? "true" : "false");
        Add(text, "readOnlyReason", r.ReadOnlyReason);
        Add(text, "fileSystem", r.FileSystem);
        Add(text, "device", r.Device);
        AddRaw(text, "owner", r.Owner.ToString(CultureInfo.InvariantCulture));
        AddRaw(text, "pid", r.Pid.ToString(CultureInfo.InvariantCulture));
        AddRaw(text, "startTime", r.StartTime.ToString(CultureInfo.InvariantCulture));
        Add(text, "since", r.Since.ToString("O", CultureInfo.InvariantCulture));
        AddRaw(text, "ownsDirectory", r.OwnsDirectory ? "true" : "false");
        Add(text, "overlay", r.Overlay);
        Add(text, "hashBefore", r.HashBefore);
        Add(text, "hashAfter", r.HashAfter);
        Add(text, "failure", r.Failure);
        text[^1] = '}';
        return Encoding.UTF8.GetBytes(text.Append('\n').ToString());
    }

    private static void AddRaw(StringBuilder text, string name, string value) =>
        text.Append('"').Append(name).Append("\":").Append(value).Append(',');

    private static void Add(StringBuilder text, string name, string? value)
    {
        if (value == null)
        {
            AddRaw(text, name, "null");
            return;
        }
        text.Append('"').Append(name).Append("\":\"");
        foreach (char c in value)
        {
            if (c is '"' or '\\')
            {
                text.Append('\\').Append(c);
            }
            else if (c < ' ')
            {
                text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            }
            else
            {
                text.Append(c);
            }
        }
        text.Append("\",");
    }
}
