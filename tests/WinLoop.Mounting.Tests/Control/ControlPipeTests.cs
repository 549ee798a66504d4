using WinLoop.Mounting.Control;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Mounting.Tests.Control;

public sealed class ControlPipeTests
{
    private readonly string _name = ControlPipe.NameOf(Guid.NewGuid().ToString("N"));

    [Fact]
    public void AnswersOneAfterTheOther()
    {
        var asked = new List<ControlCommand>();
        using ControlPipe pipe = ControlPipe.Start(_name, (command, _) =>
        {
            asked.Add(command);
            return command == ControlCommand.Statistics
                ? new ControlAnswer { Done = true, Statistics = new MountStatistics { Directory = "X:", Seconds = 1.5 } }
                : new ControlAnswer { Users = "notepad.exe" };
        });
        Assert.Equal("X:", ControlPipe.Ask(_name, ControlCommand.Statistics, "stat").Statistics!.Directory);
        ControlAnswer answer = ControlPipe.Ask(_name, ControlCommand.Unmount, "unmount");
        Assert.Equal((false, "notepad.exe"), (answer.Done, answer.Users));
        Assert.Equal([ControlCommand.Statistics, ControlCommand.Unmount], asked);
    }

    [Fact]
    public void GoesOnWhenAnAskerLeaves()
    {
        using ControlPipe pipe = ControlPipe.Start(_name, (_, _) => new ControlAnswer { Done = true });
        using (var silent = new System.IO.Pipes.NamedPipeClientStream(".", _name, System.IO.Pipes.PipeDirection.InOut))
        {
            silent.Connect(5000);
        }
        Assert.True(ControlPipe.Ask(_name, ControlCommand.Statistics, "stat").Done);
    }

    [Fact]
    public void AnAnswerThatThrowsEndsNothing()
    {
        int calls = 0;
        using ControlPipe pipe = ControlPipe.Start(_name, (_, _) => ++calls == 1 ? throw new InvalidOperationException("closing") : new ControlAnswer { Done = true });
        Assert.Equal(MountError.Failed, Assert.Throws<MountException>(() => ControlPipe.Ask(_name, ControlCommand.Statistics, "stat")).Error);
        Assert.True(ControlPipe.Ask(_name, ControlCommand.Statistics, "stat").Done);
    }

    [Fact]
    public void SaysWhenNobodyAnswers()
    {
        ControlPipe.Start(_name, (_, _) => new ControlAnswer()).Dispose();
        MountException e = Assert.Throws<MountException>(() => ControlPipe.Ask(_name + "-other", ControlCommand.Statistics, "cannot get figures"));
        Assert.Contains("does not answer", e.Message, StringComparison.Ordinal);
    }
}
