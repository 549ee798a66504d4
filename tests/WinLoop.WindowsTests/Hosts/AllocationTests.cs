using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The callbacks that are called most leave no work to the garbage collector. Alone, because the counter is the whole
/// process's.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Read_Write_and_GetFileInfo_allocate_nothing(HostKind kind)
    {
        const uint Calls = 20_000;
        using var mount = new HostMount(kind);
        mount.Client.WriteAll(@"\file", new byte[65536]);
        using (NtFile file = mount.Client.Create(@"\file", Access.ReadWrite, Disposition.Open))
        {
            foreach (Slot slot in (Slot[])[Slot.GetFileInfo, Slot.Read, Slot.Write])
            {
                long least = long.MaxValue;
                for (int round = 0; round < 6; round++)
                {
                    long before = GC.GetTotalAllocatedBytes(precise: true);
                    mount.Client.Bench(slot, Calls, file: file);
                    least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
                }
                // The bench's own request and answer are a few kilobytes.
                Assert.True(least < Calls / 2, $"{slot}: {least} bytes in {Calls} calls");
            }
        }
        mount.Finish();
    }
}
