using System.Globalization;

namespace WinLoop.Storage.Windows;

/// <summary>The disks of Windows: <c>\\.\PhysicalDrive0</c> to 63, with the letters of the volumes on them.</summary>
internal static class WindowsDiskList
{
    private const int MostDisks = 64;

    internal static IReadOnlyList<SystemDisk> List(IWindowsDisks disks)
    {
        List<(DiskExtent Extent, string Name)> volumes = [];
        foreach (string volume in disks.Volumes())
        {
            foreach (DiskExtent extent in disks.ExtentsOf(volume) ?? [])
            {
                volumes.Add((extent, disks.NameOf(volume)));
            }
        }

        var list = new List<SystemDisk>();
        for (int number = 0; number < MostDisks; number++)
        {
            string path = string.Create(CultureInfo.InvariantCulture, $@"\\.\PhysicalDrive{number}");
            if (disks.Exists(path))
            {
                list.Add(new SystemDisk(path, null, "", [.. volumes.Where(v => v.Extent.Disk == number).OrderBy(v => v.Extent.Start).Select(v => new SystemPart(v.Extent.Start, v.Name, ""))]));
            }
        }

        return list;
    }
}
