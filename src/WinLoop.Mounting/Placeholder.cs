namespace WinLoop.Mounting; internal static class Placeholder;
