#!/usr/bin/env bash
# Installs what the tests need, builds everything, runs all test projects one after the other, and ends
# with the true sum alone on the last line.
#   ./test.sh [FILTER]     FILTER: run only projects whose name contains it
# Results: artifacts/test-results/PROJECT.{xml,log}. CONFIGURATION=Debug builds with assertions.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here" || exit 1
filter="${1:-}"
configuration="${CONFIGURATION:-Release}"
limit="${SUITE_TIMEOUT:-30m}"
results="$here/artifacts/test-results"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
exec </dev/null

# Command, and the Debian package it comes from. The programs are the oracles and the load of the tests.
tools="mkfs.ext4:e2fsprogs e2fsck:e2fsprogs debugfs:e2fsprogs dumpe2fs:e2fsprogs fusermount3:fuse3 fio:fio git:git
sqlite3:sqlite3 rsync:rsync getfattr:attr setfacl:acl python3:python3 losetup:mount setpriv:util-linux sfdisk:fdisk
tar:tar setcap:libcap2-bin gcc:gcc strace:strace x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64 wine64:wine64
wixl:wixl msibuild:msitools zip:zip qemu-img:qemu-utils img2simg:android-sdk-libsparse-utils"

install_tools() {
    local missing=() pair
    for pair in $tools; do
        # Debian puts wine64 where no PATH leads.
        if ! PATH="$PATH:/usr/sbin:/sbin:/usr/lib/wine" command -v "${pair%%:*}" >/dev/null; then
            missing+=("${pair##*:}")
        fi
    done
    if [ ${#missing[@]} -gt 0 ]; then
        mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            echo "Not installed (tests that need them are skipped): ${missing[*]}"
        else
            echo "Installing ${missing[*]} ..."
            # One at a time if all at once fails: the tests of one missing tool are skipped, the others run.
            if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
                >"$results/apt.log" 2>&1; then
                local package
                for package in "${missing[@]}"; do
                    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" >>"$results/apt.log" 2>&1 ||
                        echo "Could not install $package: see $results/apt.log"
                done
            fi
        fi
    fi
    if [ "$(id -u)" -eq 0 ]; then
        [ -e /dev/fuse ] || modprobe fuse 2>/dev/null
        [ -e /dev/loop-control ] || modprobe loop 2>/dev/null
    fi
    return 0
}

# Reads one count from the first <assembly> element of an xunit result file.
count() { sed -n "0,/<assembly /s/.*<assembly [^>]*[ ]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -1; }

rm -rf "$results"
mkdir -p "$results"
passed=0 failed=0 skipped=0

if ! command -v dotnet >/dev/null; then
    echo "test.sh: the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
install_tools

echo "Building ($configuration) ..."
if ! dotnet build WinLoop.sln -c "$configuration" -v quiet -clp:NoSummary; then
    echo "The build failed."
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

for project in tests/*Tests/*.csproj; do
    name="$(basename "$project" .csproj)"
    case "$name" in *"$filter"*) ;; *) continue ;; esac
    program="tests/$(basename "$(dirname "$project")")/bin/$configuration/net10.0/$name"
    xml="$results/$name.xml"
    log="$results/$name.log"
    start=$SECONDS
    timeout --kill-after=30 "$limit" "$program" -xml "$xml" -nocolor -longrunning 120 >"$log" 2>&1
    code=$?
    p="$(count "$xml" passed 2>/dev/null)" f="$(count "$xml" failed 2>/dev/null)"
    s="$(count "$xml" skipped 2>/dev/null)" e="$(count "$xml" errors 2>/dev/null)"
    note=""
    if [ -z "$p" ] || [ -z "$f" ]; then
        # No result file: the suite crashed, hung or does not exist. That is a failure, whatever it did before.
        p=0 f=1 s=0
        note=" (no result, exit code $code)"
    else
        f=$((f + ${e:-0}))
        if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then
            f=1
            note=" (exit code $code)"
        fi
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
    echo "$name: $p passed, $f failed, ${s:-0} skipped in $((SECONDS - start)) s$note"
    if [ "$f" -gt 0 ]; then
        echo "----- $log -----"
        grep -n -A 25 '\[FAIL\]' "$log" | head -200 || true
        [ -n "$note" ] && tail -n 40 "$log"
        echo "-----"
    fi
done

if [ $((passed + failed)) -eq 0 ]; then
    echo "No test ran."
    failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
