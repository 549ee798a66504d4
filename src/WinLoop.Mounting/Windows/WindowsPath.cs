namespace WinLoop.Mounting.Windows;

/// <summary>
/// A path of the volume as Windows writes it, <c>\a\b:stream</c>, taken apart without copying.
/// </summary>
internal readonly ref struct WindowsPath
{
    private WindowsPath(ReadOnlySpan<char> file, ReadOnlySpan<char> stream, bool hasStream)
    {
        File = file;
        Stream = stream;
        HasStream = hasStream;
    }

    /// <summary>Without the stream and without a <c>\</c> at the end; <c>\</c> alone for the root.</summary>
    public ReadOnlySpan<char> File { get; }

    /// <summary>The stream's name without colons and type; empty if there is none, or if it is the file's own content
    /// (<c>::$DATA</c>).</summary>
    public ReadOnlySpan<char> Stream { get; }

    /// <summary>True if a stream other than the file's own content is meant.</summary>
    public bool HasStream { get; }

    /// <summary>True for the root directory (or a stream of it).</summary>
    public bool IsRoot => File.Length == 1;

    /// <summary>The last component; empty for the root.</summary>
    public ReadOnlySpan<char> Name => File[(File.LastIndexOf('\\') + 1)..];

    /// <summary>The path of the directory that holds the file; the root is its own parent.</summary>
    public ReadOnlySpan<char> Parent => File[..Math.Max(1, File.LastIndexOf('\\'))];

    /// <summary>The components from the root.</summary>
    public ComponentEnumerator Components => new(File);

    /// <summary>Takes a path apart.</summary>
    /// <returns>False if it is no path: not absolute, an empty component, "." or "..", a '/' or NUL, a component
    /// longer than 255 units, a colon before the last component, or a stream type other than $DATA.</returns>
    public static bool TryParse(ReadOnlySpan<char> path, out WindowsPath result)
    {
        result = default;
        if (path.IsEmpty || path[0] != '\\' || path.ContainsAny('/', '\0'))
        {
            return false;
        }
        ReadOnlySpan<char> stream = default;
        bool hasStream = false;
        int colon = path.IndexOf(':');
        if (colon >= 0)
        {
            if (!StreamName.TryParse(path[colon..], out stream))
            {
                return false;
            }
            hasStream = !stream.IsEmpty;
            path = path[..colon];
        }
        if (path.Length > 1 && path[^1] == '\\')
        {
            // A directory may be named with a separator at the end; a stream may not follow one.
            if (colon >= 0 || path[^2] == '\\')
            {
                return false;
            }
            path = path[..^1];
        }
        if (path.Length > 1)
        {
            foreach (ReadOnlySpan<char> component in new ComponentEnumerator(path))
            {
                if (component.IsEmpty || component.Length > WindowsName.MaxLength || component is "." or "..")
                {
                    return false;
                }
            }
        }
        result = new WindowsPath(path, stream, hasStream);
        return true;
    }

    /// <summary>The components of an absolute path; none for the root.</summary>
    public static ComponentEnumerator Split(ReadOnlySpan<char> path) => new(path);

    /// <summary>Goes through the components of a path; <see cref="Start"/> tells where the current one begins.</summary>
    public ref struct ComponentEnumerator
    {
        private readonly ReadOnlySpan<char> _path;
        private int _next;

        internal ComponentEnumerator(ReadOnlySpan<char> path)
        {
            _path = path;
            _next = path.Length > 0 && path[0] == '\\' ? 1 : 0;
            if (_next == path.Length)
            {
                _next = path.Length + 1;
            }
        }

        /// <summary>The current component.</summary>
        public ReadOnlySpan<char> Current { get; private set; }

        /// <summary>Index in the path of the current component's first unit.</summary>
        public int Start { get; private set; }

        /// <summary>True if no component follows the current one.</summary>
        public readonly bool IsLast => _next > _path.Length;

        /// <summary>For foreach.</summary>
        public readonly ComponentEnumerator GetEnumerator() => this;

        /// <summary>Goes on to the next one.</summary>
        public bool MoveNext()
        {
            if (_next > _path.Length)
            {
                return false;
            }
            Start = _next;
            int length = _path[_next..].IndexOf('\\');
            length = length < 0 ? _path.Length - _next : length;
            Current = _path.Slice(_next, length);
            _next += length + 1;
            return true;
        }
    }
}
