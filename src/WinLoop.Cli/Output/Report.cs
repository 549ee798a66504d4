using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WinLoop.Mounting;

namespace WinLoop.Cli.Output;

/// <summary>Where a command's words go: the answer, and nothing else, to stdout; notes and errors to stderr.</summary>
internal class Report(bool json, bool quiet, bool verbose)
{
    /// <summary>True if answers are JSON.</summary>
    internal bool IsJson { get; } = json;

    /// <summary>True if no notes are wanted.</summary>
    internal bool IsQuiet { get; } = quiet;

    /// <summary>True if more notes are wanted.</summary>
    internal bool IsVerbose { get; } = verbose;

    /// <summary>Prints the answer: <paramref name="value"/> as JSON, or the text.</summary>
    /// <param name="value">The answer.</param>
    /// <param name="type">Its JSON; a function, because touching the serializer costs 10 ms of a start.</param>
    /// <param name="text">Writes it for people.</param>
    internal void Answer<T>(T value, Func<JsonTypeInfo<T>> type, Action<TextWriter> text)
    {
        if (IsJson)
        {
            StandardStreams.Out.WriteLine(JsonSerializer.Serialize(value, type()));
        }
        else
        {
            text(StandardStreams.Out);
        }
        StandardStreams.Out.Flush();
    }

    /// <summary>One sentence for the person at the terminal.</summary>
    internal void Note(string sentence)
    {
        if (!IsQuiet)
        {
            StandardStreams.Error.WriteLine(sentence);
        }
    }

    /// <summary>A note that only matters when something is looked into.</summary>
    internal void Detail(string sentence)
    {
        if (IsVerbose && !IsQuiet)
        {
            StandardStreams.Error.WriteLine(sentence);
        }
    }

    /// <summary>Prints the error.</summary>
    /// <returns>The exit code.</returns>
    internal int Fail(MountException failure)
    {
        int code = Fail(failure.Error, failure.Message, failure.Hint);
        if (IsVerbose && failure.InnerException != null)
        {
            StandardStreams.Error.WriteLine(failure.InnerException);
        }
        return code;
    }

    /// <inheritdoc cref="Fail(MountException)"/>
    internal virtual int Fail(MountError error, string message, string? hint)
    {
        if (IsJson)
        {
            var answer = new ErrorAnswer(new ErrorDetail(ErrorCodes.NameOf(error), (int)error, message, hint));
            StandardStreams.Out.WriteLine(JsonSerializer.Serialize(answer, AnswerJson.Readable.ErrorAnswer));
            StandardStreams.Out.Flush();
        }
        else
        {
            StandardStreams.Error.WriteLine("winloop: " + Printable.Text(message));
            if (hint != null)
            {
                StandardStreams.Error.WriteLine("  " + Printable.Text(hint));
            }
        }
        return (int)error;
    }
}
