using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Mounting;

namespace WinLoop.Cli.Serving;

/// <summary>Starts this program again as a process that survives the shell: a session of its own, no terminal.</summary>
internal static unsafe partial class Spawn
{
    /// <summary>The descriptor in the child that reports to the parent.</summary>
    internal const int ReadyDescriptor = 3;

    // glibc's posix_spawnattr_t has 336 bytes and posix_spawn_file_actions_t 80; musl's are no larger.
    private const int StructureSize = 512;
    private const short PosixSpawnSetSid = 0x80;
    private const int ReadOnly = 0, WriteOnly = 1, CreateTruncated = 0x240, CloseOnExec = 0x80000;
    private const long CloseRange = 436;
    private const uint CloseRangeCloseOnExec = 4;

    /// <summary>Starts <c>winloop ARGUMENTS</c> with stdin and stdout closed off and stderr in a file.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="logPath">Takes what the child says on stderr.</param>
    /// <param name="ready">Everything that is written to <see cref="ReadyDescriptor"/>, until the child closes it.</param>
    /// <returns>The child's process id.</returns>
    internal static int Start(IReadOnlyList<string> arguments, string logPath, out string ready)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The program does not know its own path.");
        List<string> argv = [program];
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            argv.Add(Path.Combine(AppContext.BaseDirectory, "winloop.dll"));
        }
        argv.AddRange(arguments);

        int* pipe = stackalloc int[2];
        Check(pipe2(pipe, CloseOnExec), "pipe2");
        // What the shell left open here (a lock file, a pipe) must not stay open for the life of the mount.
        _ = syscall(CloseRange, 3, uint.MaxValue, CloseRangeCloseOnExec);

        int pid;
        byte* attributes = stackalloc byte[StructureSize];
        byte* actions = stackalloc byte[StructureSize];
        Check(posix_spawnattr_init(attributes), "posix_spawnattr_init");
        Check(posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        byte** argvNative = ToNative(argv);
        byte** environment = ToNative([.. EnvironmentPairs()]);
        try
        {
            Check(posix_spawnattr_setflags(attributes, PosixSpawnSetSid), "posix_spawnattr_setflags");
            Check(posix_spawn_file_actions_addopen(actions, 0, "/dev/null", ReadOnly, 0), "posix_spawn_file_actions_addopen");
            Check(posix_spawn_file_actions_addopen(actions, 1, "/dev/null", WriteOnly, 0), "posix_spawn_file_actions_addopen");
            Check(posix_spawn_file_actions_addopen(actions, 2, logPath, WriteOnly | CreateTruncated, 0x180), "posix_spawn_file_actions_addopen");
            Check(posix_spawn_file_actions_adddup2(actions, pipe[1], ReadyDescriptor), "posix_spawn_file_actions_adddup2");
            Check(posix_spawn(&pid, program, actions, attributes, argvNative, environment), "posix_spawn");
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
            FreeNative(argvNative);
            FreeNative(environment);
            _ = close(pipe[1]);
        }
        using var reader = new StreamReader(new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(pipe[0], true), FileAccess.Read, 0));
        ready = reader.ReadToEnd();
        return pid;
    }

    /// <summary>Waits for a child that has not reported and says how it ended.</summary>
    internal static string DescribeEnd(int pid)
    {
        int status;
        if (waitpid(pid, &status, 0) != pid)
        {
            return "ended";
        }
        int signal = status & 0x7F;
        return signal != 0 ? $"was ended by signal {signal}" : $"ended with code {status >> 8 & 0xFF}";
    }

    private static IEnumerable<string> EnvironmentPairs()
    {
        foreach (System.Collections.DictionaryEntry pair in Environment.GetEnvironmentVariables())
        {
            yield return $"{pair.Key}={pair.Value}";
        }
    }

    private static byte** ToNative(IReadOnlyList<string> strings)
    {
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)(strings.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < strings.Count; i++)
        {
            byte[] text = Encoding.UTF8.GetBytes(strings[i]);
            array[i] = (byte*)NativeMemory.AllocZeroed((nuint)text.Length + 1);
            text.CopyTo(new Span<byte>(array[i], text.Length));
        }
        return array;
    }

    private static void FreeNative(byte** array)
    {
        for (byte** p = array; *p != null; p++)
        {
            NativeMemory.Free(*p);
        }
        NativeMemory.Free(array);
    }

    // The posix_spawn family returns its error; pipe2 sets errno.
    private static void Check(int result, string call)
    {
        if (result != 0)
        {
            int errno = result > 0 ? result : Marshal.GetLastPInvokeError();
            throw new MountException(MountError.Failed, "cannot start the serving process", $"{call}: {Marshal.GetPInvokeErrorMessage(errno)}",
                "With -f the mount is served by this process.");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* descriptors, int flags);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial long syscall(long number, uint first, uint last, uint flags);

    [LibraryImport("libc")]
    private static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addopen(byte* actions, int fd, string path, int flags, uint mode);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int fd, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(int* pid, string path, byte* actions, byte* attributes, byte** argv, byte** environment);
}
