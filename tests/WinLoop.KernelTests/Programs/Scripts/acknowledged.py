#!/usr/bin/env python3
"""Demands that everything writer.py logged as safe is there: acknowledged.py DIRECTORY LOG. Prints how many files."""
import hashlib
import os
import sys

top, safe = sys.argv[1], {}
with open(sys.argv[2]) as log:
    for line in log:
        if not line.endswith("\n"):
            continue
        first, second = line[:-1].split("\t")
        if first == "-":
            safe.pop(second, None)
        else:
            safe[first] = second
wrong = []
for name, digest in safe.items():
    try:
        with open(os.path.join(top, name), "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != digest:
                wrong.append(f"{name}: other content")
    except OSError as error:
        wrong.append(f"{name}: {error}")
# What is there beside has to be readable too.
for folder, _, names in os.walk(top, onerror=lambda error: wrong.append(str(error))):
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            with open(path, "rb") as file:
                file.read()
if wrong:
    sys.exit("\n".join(wrong[:20]))
print(len(safe))
