using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace WinLoop.Service.Protocol;

/// <summary>
/// The protocol: frames of a 32-bit little-endian length and so many bytes of UTF-8 JSON. A client writes a
/// <see cref="ServiceRequest"/> and reads a <see cref="ServiceAnswer"/>, as often as it likes.
/// </summary>
internal static class ServiceProtocol
{
    /// <summary>Grows when a message changes its meaning; new optional members do not count.</summary>
    internal const int Version = 1;

    /// <summary>The longest request in bytes.</summary>
    internal const int MaxRequest = 64 * 1024;

    /// <summary>The longest answer in bytes; a list may be long.</summary>
    internal const int MaxAnswer = 4 * 1024 * 1024;

    private const int HeaderLength = 4;

    /// <summary>Reads one frame.</summary>
    /// <param name="channel">Where from.</param>
    /// <param name="limit">The longest that is accepted.</param>
    /// <param name="deadline">When to give up.</param>
    /// <returns>Null if the other side has ended the connection between frames.</returns>
    /// <exception cref="ProtocolException">Too long, or cut off.</exception>
    /// <exception cref="TimeoutException">It did not come in time.</exception>
    internal static byte[]? ReadFrame(Channel channel, int limit, Deadline deadline)
    {
        byte[] header = new byte[HeaderLength];
        if (!Fill(channel, header, deadline, mayEnd: true))
        {
            return null;
        }
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length == 0 || length > (uint)limit)
        {
            throw new ProtocolException($"a message of {length} bytes is not accepted");
        }
        byte[] frame = new byte[length];
        _ = Fill(channel, frame, deadline, mayEnd: false);
        return frame;
    }

    /// <summary>Writes one frame.</summary>
    /// <exception cref="TimeoutException">The other side does not take it.</exception>
    internal static void WriteFrame(Channel channel, ReadOnlySpan<byte> json, Deadline deadline, IReadOnlyList<int>? descriptors = null)
    {
        byte[] frame = new byte[HeaderLength + json.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)json.Length);
        json.CopyTo(frame.AsSpan(HeaderLength));
        channel.Write(frame, deadline, descriptors ?? []);
    }

    private static bool Fill(Channel channel, Memory<byte> buffer, Deadline deadline, bool mayEnd)
    {
        for (int done = 0; done < buffer.Length;)
        {
            int count = channel.Read(buffer[done..], deadline);
            if (count == 0)
            {
                return mayEnd && done == 0 ? false : throw new ProtocolException("the message was cut off");
            }
            done += count;
        }
        return true;
    }
}

/// <summary>The other side does not speak the protocol; the connection is of no more use.</summary>
internal sealed class ProtocolException(string message) : IOException(message);

/// <summary>JSON of the protocol and of the state file, generated at build time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 16,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ServiceRequest))]
[JsonSerializable(typeof(ServiceAnswer))]
[JsonSerializable(typeof(Kept.KeptFile))]
internal sealed partial class ServiceJson : JsonSerializerContext;
