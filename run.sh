#!/usr/bin/env bash
# Builds WinLoop and mounts an image.
#   ./run.sh [IMAGE [DIR]] [options of 'winloop mount']
# With no image it makes a 100 MiB one, artifacts/demo.ext4. Needs the .NET 10 SDK and nothing else as
# root; other users need the package fuse3.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

if ! command -v dotnet >/dev/null; then
    echo "run.sh: the .NET 10 SDK is missing: https://dotnet.microsoft.com/download" >&2
    exit 8
fi
case "$(uname -m)" in
    x86_64) rid=linux-x64 ;;
    aarch64 | arm64) rid=linux-arm64 ;;
    *) echo "run.sh: no build for $(uname -m)" >&2; exit 5 ;;
esac
[ -e /lib/ld-musl-x86_64.so.1 ] && rid=linux-musl-x64

out="$here/artifacts/winloop"
echo "Building $out/winloop ..." >&2
if ! log="$(dotnet publish "$here/src/WinLoop.Cli" -c Release -r "$rid" -o "$out" -v quiet 2>&1)"; then
    printf '%s\n' "$log" >&2
    exit 1
fi
winloop="$out/winloop"

if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
    image="$here/artifacts/demo.ext4"
    if [ ! -e "$image" ]; then
        "$winloop" create "$image" 100M --label demo
    fi
    set -- "$image" "$@"
fi

directory="$("$winloop" mount "$@")" || exit $?
echo "$directory"
cat >&2 <<EOF
The volume is at $directory: use it like any directory.
Unmount it with:  $winloop unmount $directory
EOF
