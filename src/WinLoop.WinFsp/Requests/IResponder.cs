namespace WinLoop.WinFsp.Requests;

/// <summary>Answers callbacks that returned STATUS_PENDING.</summary>
internal interface IResponder
{
    /// <summary>What the answer to the callback that runs on this thread has to refer to.</summary>
    ulong CurrentHint();

    /// <summary>Answers.</summary>
    void Send(WindowsRequest request);
}
