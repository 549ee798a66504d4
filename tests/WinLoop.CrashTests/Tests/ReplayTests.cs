using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>Shows one failure again.</summary>
public sealed class ReplayTests
{
    [Fact(Explicit = true)] // only when somebody asks for it
    public void Replay()
    {
        string? path = Environment.GetEnvironmentVariable(CrashReplay.Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(path), $"{CrashReplay.Variable} names no file");
        Shell.RequireLoopMounts();
        (CrashFailure known, string? mutant) = CrashReplay.Read(path);
        using var judge = new WorkloadJudge(new CrashSettings { KernelEvery = 1, FsckEvery = 1 }, new CrashStatistics(), useKernel: mutant is null);
        Mutant? defect = mutant is null ? null : new Mutant(mutant);
        CrashFailure? failure = (known.State is { } state ? judge.Judge(known.Workload, defect, state, known.Again) : judge.Judge(known.Workload, defect)) ?? judge.Flush();
        Assert.True(failure is null, failure is null ? "" : CrashReplay.Report(failure, mutant));
    }
}
