#!/usr/bin/env bash
# Builds the MSI and the portable zip for Windows, on Linux.
#   installer/build.sh [OUTPUT [VERSION [PROGRAM]]]
# OUTPUT: a folder (artifacts/installer). PROGRAM: the published program, if it is there already.
# WINLOOP_RELEASE_URL: the folder that the MSI can be downloaded from; then manifests for winget are made, too.
# Needs the .NET SDK, and wixl and msitools of Debian (installed if they are missing and this is root).
set -euo pipefail
installer="$(cd "$(dirname "$0")" && pwd)"
root="$(dirname "$installer")"
output="$(realpath -m "${1:-$root/artifacts/installer}")"
version="${2:-$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$root/Directory.Build.props")}"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

for pair in wixl:wixl msibuild:msitools zip:zip; do
    command -v "${pair%%:*}" >/dev/null || { [ "$(id -u)" -eq 0 ] && apt-get install -y -q --no-install-recommends "${pair##*:}" >&2; }
done

mkdir -p "$output"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
program="$work/WinLoop"
if [ -n "${3:-}" ]; then
    cp -r "$3" "$program"
else
    dotnet publish "$root/src/WinLoop.Cli" -c Release -r win-x64 --self-contained -o "$program" -p:Version="$version" -v quiet
fi
rm -f "$program/createdump.exe" "$program"/*.pdb
cp "$root/LICENSE" "$program/LICENSE.txt"
cp "$installer/winloop.ico" "$installer/winloop.wxs" "$program/.."
cp "$installer/winloop.ico" "$program"

# All files but those that winloop.wxs names. wixl takes relative paths only.
cd "$work"
find WinLoop -type f ! -name winloop.exe ! -name winloopw.exe ! -name LICENSE.txt ! -name winloop.ico | sort |
    wixl-heat -p WinLoop/ --component-group Runtime --var var.SourceDir --directory-ref INSTALLDIR --win64 >runtime.wxs

msi="$output/winloop-$version-x64.msi"
rm -f "$msi"
wixl -a x64 -D Win64=yes -D Version="$version" -D SourceDir=WinLoop -o "$msi" winloop.wxs runtime.wxs

# wixl has no word for environment variables: the program's folder at the end of the machine's PATH.
msibuild "$msi" \
    -q "CREATE TABLE \`Environment\` (\`Environment\` CHAR(72) NOT NULL, \`Name\` CHAR(255) NOT NULL LOCALIZABLE, \`Value\` CHAR(255) LOCALIZABLE, \`Component_\` CHAR(72) NOT NULL PRIMARY KEY \`Environment\`)" \
    -q "INSERT INTO \`Environment\` (\`Environment\`, \`Name\`, \`Value\`, \`Component_\`) VALUES ('Path', '=-*Path', '[~];[INSTALLDIR]', 'Programs')" \
    -q "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('WriteEnvironmentStrings', 5200)" \
    -q "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('RemoveEnvironmentStrings', 3300)"

zip="$output/winloop-$version-x64.zip"
rm -f "$zip"
zip -q -r -9 "$zip" WinLoop
sha256sum "$msi" "$zip" | sed "s:$output/::" >"$output/SHA256SUMS"

if [ -n "${WINLOOP_RELEASE_URL:-}" ]; then
    rm -rf "$output/winget"
    mkdir -p "$output/winget"
    product="$(msiinfo export "$msi" Property | tr -d '\r' | sed -n 's/^ProductCode\t//p')"
    hash="$(sha256sum "$msi" | cut -c1-64 | tr a-f A-F)"
    for manifest in "$installer"/winget/*.yaml; do
        sed -e "s/@VERSION@/$version/" -e "s|@URL@|${WINLOOP_RELEASE_URL%/}/$(basename "$msi")|" -e "s/@HASH@/$hash/" -e "s/@PRODUCT@/$product/" \
            "$manifest" >"$output/winget/$(basename "$manifest")"
    done
fi
echo "$msi"
echo "$zip"
