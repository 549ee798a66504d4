#!/bin/sh
# Builds the stand-in: build.sh OUTPUT_FOLDER [linux] [windows]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
[ $# -gt 0 ] || set -- linux windows
mkdir -p "$out"
flags="-std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -fvisibility=hidden"
for target in "$@"; do
    case $target in
    linux)
        gcc $flags -fPIC -shared -pthread -Wl,-z,defs -o "$out/libwinfsp-standin.so.$$" "$here"/*.c
        mv "$out/libwinfsp-standin.so.$$" "$out/libwinfsp-standin.so" ;;
    windows)
        x86_64-w64-mingw32-gcc $flags -shared -static -o "$out/winfsp-x64.dll.$$" "$here"/*.c -lws2_32 -lpthread
        mv "$out/winfsp-x64.dll.$$" "$out/winfsp-x64.dll" ;;
    *)
        echo "build.sh: unknown target $target" >&2
        exit 2 ;;
    esac
done
