#!/usr/bin/env pwsh
# Builds WinLoop and runs its main job:  ./run.ps1 [IMAGE [DIR]]
# With no image it makes a 100 MiB one, artifacts/demo.ext4. On Windows this version makes and inspects
# images; mounting them there comes with the WinFsp host. Needs the .NET 10 SDK only.
param([string]$Image, [string]$Directory)
$ErrorActionPreference = 'Stop'
$here = $PSScriptRoot
$env:DOTNET_NOLOGO = '1'; $env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'

if (-not (Get-Command dotnet -ErrorAction SilentlyContinue)) {
    [Console]::Error.WriteLine('run.ps1: the .NET 10 SDK is missing: https://dotnet.microsoft.com/download')
    exit 8
}
$windows = [System.Runtime.InteropServices.RuntimeInformation]::IsOSPlatform([System.Runtime.InteropServices.OSPlatform]::Windows)
$arm = [System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture -eq 'Arm64'
$rid = ($(if ($windows) { 'win-' } else { 'linux-' })) + ($(if ($arm) { 'arm64' } else { 'x64' }))
$out = Join-Path $here 'artifacts/winloop'
[Console]::Error.WriteLine("Building $out ...")
$log = & dotnet publish (Join-Path $here 'src/WinLoop.Cli') -c Release -r $rid -o $out -v quiet 2>&1
if ($LASTEXITCODE -ne 0) { $log | ForEach-Object { [Console]::Error.WriteLine($_) }; exit 1 }
$winloop = Join-Path $out $(if ($windows) { 'winloop.exe' } else { 'winloop' })

if (-not $Image) {
    $Image = Join-Path $here 'artifacts/demo.ext4'
    if (-not (Test-Path $Image)) {
        & $winloop create $Image 100M --label demo
        if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    }
}
$arguments = @('mount', $Image)
if ($Directory) { $arguments += $Directory }
$mounted = & $winloop @arguments
$code = $LASTEXITCODE
if ($code -eq 8 -and $windows) { & $winloop info $Image }
if ($code -ne 0) { exit $code }
$mounted
[Console]::Error.WriteLine("The volume is at ${mounted}: use it like any folder.")
[Console]::Error.WriteLine("Unmount it with:  $winloop unmount $mounted")
