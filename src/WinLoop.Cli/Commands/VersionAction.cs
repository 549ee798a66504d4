using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace WinLoop.Cli.Commands;

/// <summary>--version: the version and the notices the licences ask for.</summary>
internal sealed class VersionAction : SynchronousCommandLineAction
{
    internal static string Version { get; } =
        typeof(VersionAction).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Console.Out.WriteLine($"winloop {Version}");
        Console.Out.WriteLine("Copyright (c) 2026 The WinLoop authors. MIT licence.");
        Console.Out.WriteLine("On Windows it works with WinFsp - Windows File System Proxy, Copyright (C) Bill Zissimopoulos,");
        Console.Out.WriteLine("https://github.com/winfsp/winfsp, under its special exception for free and open source software.");
        return 0;
    }
}
