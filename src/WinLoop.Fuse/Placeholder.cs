namespace WinLoop.Fuse; internal static class Placeholder;
