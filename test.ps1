#!/usr/bin/env pwsh
# Builds everything, runs all test projects one after the other, and ends with the true sum alone on the
# last line:  ./test.ps1 [FILTER]
# Needs the .NET 10 SDK only; tests that need Linux, root or its tools are skipped with the reason.
param([string]$Filter = '')
$here = $PSScriptRoot
Set-Location $here
$env:DOTNET_NOLOGO = '1'; $env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$configuration = if ($env:CONFIGURATION) { $env:CONFIGURATION } else { 'Release' }
$results = Join-Path $here 'artifacts/test-results'
if (Test-Path $results) { Remove-Item $results -Recurse -Force }
New-Item $results -ItemType Directory -Force | Out-Null
$passed = 0; $failed = 0; $skipped = 0

Write-Output "Building ($configuration) ..."
& dotnet build WinLoop.sln -c $configuration -v quiet -clp:NoSummary
if ($LASTEXITCODE -ne 0) {
    Write-Output 'The build failed.'
    Write-Output '0 passed, 1 failed, 0 skipped'
    exit 1
}

foreach ($project in Get-ChildItem tests -Directory -Filter '*Tests' | ForEach-Object { Get-ChildItem $_.FullName -Filter '*.csproj' }) {
    $name = $project.BaseName
    if (-not $name.Contains($Filter)) { continue }
    $xml = Join-Path $results "$name.xml"
    $log = Join-Path $results "$name.log"
    $dll = Join-Path $project.DirectoryName "bin/$configuration/net10.0/$name.dll"
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    & dotnet exec $dll -xml $xml -nocolor -longrunning 120 *> $log
    $code = $LASTEXITCODE
    $p = 0; $f = 1; $s = 0; $note = " (no result, exit code $code)"
    if (Test-Path $xml) {
        try {
            $assembly = ([xml](Get-Content $xml -Raw)).assemblies.assembly
            $p = [int]$assembly.passed; $f = [int]$assembly.failed + [int]$assembly.errors; $s = [int]$assembly.skipped; $note = ''
            if ($code -ne 0 -and $f -eq 0) { $f = 1; $note = " (exit code $code)" }
        } catch { }
    }
    $passed += $p; $failed += $f; $skipped += $s
    Write-Output ("{0}: {1} passed, {2} failed, {3} skipped in {4:0} s{5}" -f $name, $p, $f, $s, $watch.Elapsed.TotalSeconds, $note)
    if ($f -gt 0) { Get-Content $log | Select-String '\[FAIL\]' -Context 0, 25 | Select-Object -First 8; if ($note) { Get-Content $log -Tail 40 } }
}
if ($passed + $failed -eq 0) { Write-Output 'No test ran.'; $failed = 1 }
Write-Output "$passed passed, $failed failed, $skipped skipped"
exit [int]($failed -gt 0)
