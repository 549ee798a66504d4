# Works in a mounted image as programs on Windows do, then unmounts it. Needs WinFsp, git and a free drive letter.
#   exercise.ps1 -WinLoop out/winloop.exe -Image new.ext4 -Letter X [-WinFspTests FOLDER]
# Leaves the image, and manifest.tsv (SHA-256 and path of every file) for the judges on Linux.
param(
    [Parameter(Mandatory)] [string] $WinLoop,
    [Parameter(Mandatory)] [string] $Image,
    [Parameter(Mandatory)] [string] $Letter,
    [string] $WinFspTests,
    [int] $Seed = (Get-Random)
)
$ErrorActionPreference = 'Stop'
$WinLoop = (Resolve-Path $WinLoop).Path
Write-Host "Seed $Seed"
$random = [Random]::new($Seed)
$drive = "${Letter}:"

function Check([bool] $condition, [string] $what) { if (-not $condition) { throw "FAILED: $what" } }
function Run([string] $program, [string[]] $arguments) {
    & $program @arguments
    if ($LASTEXITCODE -ne 0) { throw "$program $arguments ended with $LASTEXITCODE" }
}

Run $WinLoop @('create', $Image, '2G', '--label', 'exercise')
$server = Start-Process $WinLoop -ArgumentList 'mount', $Image, $drive, '--foreground' -PassThru -NoNewWindow
for ($i = 0; -not (Test-Path "$drive\") -and $i -lt 300; $i++) { Start-Sleep -Milliseconds 100 }
Check (Test-Path "$drive\") "the drive appears"
Check ((Get-Volume -DriveLetter $Letter).FileSystemLabel -eq 'exercise') "the label is the volume's"

try {
    # Names: what Windows allows in them, and case.
    $names = "$drive\names"
    New-Item -ItemType Directory $names | Out-Null
    foreach ($name in 'plain.txt', 'with space.txt', "Z$([char]0xFC)rich.txt", "emoji $([char]::ConvertFromUtf32(0x1F600)).txt", ('n' * 255)) {
        Set-Content -LiteralPath "\\?\$names\$name" -Value $name
        Check ((Get-Content -LiteralPath "\\?\$names\$name") -eq $name) "content of '$name'"
    }
    Check (Test-Path "$names\PLAIN.TXT") "names are found whatever their case"
    Rename-Item "$names\plain.txt" 'Plain.TXT'
    Check ((Get-ChildItem $names -Filter 'plain.*').Name -ceq 'Plain.TXT') "a rename that changes only case"

    # Attributes, times, streams.
    $file = "$drive\attributes.bin"
    Set-Content $file 'x'
    (Get-Item $file).IsReadOnly = $true
    try { Set-Content $file 'y'; $refused = $false } catch { $refused = $true }
    Check $refused "a read-only file is not written"
    (Get-Item $file).IsReadOnly = $false
    $time = [DateTime]::new(2001, 2, 3, 4, 5, 6, [DateTimeKind]::Utc).AddTicks(1234567)
    [IO.File]::SetLastWriteTimeUtc($file, $time)
    Check ([IO.File]::GetLastWriteTimeUtc($file) -eq $time) "times are exact to 100 ns"
    Set-Content $file -Stream 'Zone.Identifier' -Value '[ZoneTransfer]'
    Check ((Get-Content $file -Stream 'Zone.Identifier') -eq '[ZoneTransfer]') "an alternate stream"

    # Random reads, writes and truncations, compared with the same on another file system.
    $pairs = 1..4 | ForEach-Object { , @("$drive\fsx$_", (Join-Path $env:TEMP "winloop-fsx$_")) }
    foreach ($pair in $pairs) {
        $streams = $pair | ForEach-Object { [IO.File]::Open($_, 'Create', 'ReadWrite', 'Read') }
        for ($i = 0; $i -lt 3000; $i++) {
            $offset = $random.Next(262144)
            $buffer = [byte[]]::new(1 + $random.Next(65536))
            switch ($random.Next(4)) {
                0 { foreach ($s in $streams) { $s.SetLength($offset) } }
                1 { $random.NextBytes($buffer); foreach ($s in $streams) { $s.Position = $offset; $s.Write($buffer) } }
                2 { foreach ($s in $streams) { $s.Flush($true) } }
                3 {
                    $other = [byte[]]::new($buffer.Length)
                    $streams[0].Position = $offset; $streams[1].Position = $offset
                    $n = $streams[0].Read($buffer); $m = $streams[1].Read($other)
                    Check ($n -eq $m -and [Linq.Enumerable]::SequenceEqual($buffer, $other)) "fsx step $i (seed $Seed)"
                }
            }
        }
        foreach ($s in $streams) { $s.Dispose() }
        Check ((Get-FileHash $pair[0]).Hash -eq (Get-FileHash $pair[1]).Hash) "fsx files are equal (seed $Seed)"
        Remove-Item $pair[1]
    }

    # Programs.
    Run git @('-c', 'core.autocrlf=false', 'clone', '--quiet', '.', "$drive\clone")
    Run git @('-C', "$drive\clone", 'fsck', '--full')
    & robocopy (Join-Path $PSHOME '.') "$drive\tree" /E /COPY:DAT /R:0 /NFL /NDL /NJH /NJS | Out-Null
    Check ($LASTEXITCODE -lt 8) "robocopy"
    Copy-Item "$drive\tree" "$drive\tree2" -Recurse
    Remove-Item "$drive\tree2" -Recurse -Force
    Check (-not (Test-Path "$drive\tree2")) "a removed tree is gone"

    if ($WinFspTests) {
        $tests = (Get-ChildItem $WinFspTests -Recurse -Filter 'winfsp-tests-x64.exe').FullName
        New-Item -ItemType Directory "$drive\wt" | Out-Null
        Push-Location "$drive\wt"
        # What needs NTFS alone, or hard links, is left out; see docs/windows-semantics.md.
        Run $tests @('--external', '--resilient', '--case-insensitive-cmp', '-hardlink*', '-oplock*')
        Pop-Location
        Remove-Item "$drive\wt" -Recurse -Force
    }

    Get-ChildItem $drive\ -Recurse -File -Force | ForEach-Object {
        "$((Get-FileHash -LiteralPath $_.FullName).Hash.ToLowerInvariant())`t$($_.FullName.Substring(3).Replace('\', '/'))"
    } | Set-Content manifest.tsv -Encoding utf8NoBOM
}
finally {
    Set-Location $PSScriptRoot
    Run $WinLoop @('unmount', $drive)
    Check ($server.WaitForExit(60000)) "the server ends"
}
Write-Host 'Done.'
