using System.Globalization;
using WinLoop.Benchmarks;

// Usage: WinLoop.Benchmarks engine [--work DIR]      the engine in process, microseconds per operation
//        WinLoop.Benchmarks windows [--work DIR]     the Windows side in process, without a host
//        WinLoop.Benchmarks callbacks                the same through WinFsp's interface, with both hosts
//        WinLoop.Benchmarks [--winloop PATH] [--work DIR] [--rounds N] [--peers a,b,c] [--only group,group]
// Runs the same workloads on each peer, round by round in turn, and prints a Markdown table with medians,
// best values and ratios to the first peer. Needs root, e2fsprogs, tar; fuse2fs for that peer.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is ["callbacks"])
{
    CallbackBench.Run();
    return 0;
}
string work = Path.Combine(Path.GetTempPath(), "winloop-bench");
string winloop = "winloop";
int rounds = 7;
string[] peers = ["kernel", "fuse2fs", "winloop"];
string[] only = [];
bool engineOnly = args is ["engine", ..], windowsOnly = args is ["windows", ..];
for (int i = engineOnly || windowsOnly ? 1 : 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--work": work = args[i + 1]; break;
        case "--winloop": winloop = args[i + 1]; break;
        case "--rounds": rounds = int.Parse(args[i + 1]); break;
        case "--peers": peers = args[i + 1].Split(','); break;
        case "--only": only = args[i + 1].Split(','); break;
        default:
            Console.Error.WriteLine($"unknown option {args[i]}");
            return 2;
    }
}
Directory.CreateDirectory(work);
if (engineOnly)
{
    Console.WriteLine("| operation | us | us of CPU | bytes allocated |");
    Console.WriteLine("|---|---|---|---|");
    EngineBench.Run(work);
    return 0;
}
if (windowsOnly)
{
    WindowsBench.Run(work);
    return 0;
}
Images images = Images.Prepare(work);
var results = new Results();
for (int round = 1; round <= rounds; round++)
{
    foreach (string peer in peers)
    {
        Console.Error.WriteLine($"round {round} of {rounds}: {peer}");
        using var mount = new PeerMount(peer, winloop, work, images.CopyBase());
        new Workloads(mount, images, results, peer, only).RunAll();
    }
}
Console.WriteLine(results.ToMarkdown(peers));
return 0;
