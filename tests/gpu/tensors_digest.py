#!/usr/bin/env python3
"""One line for every tensor of a folder of safetensors: name and SHA-256 of its bytes, sorted, so that
two folders compare equal whatever their shards."""
import hashlib
import json
import pathlib
import struct
import sys

lines = []
for path in pathlib.Path(sys.argv[1]).glob("*.safetensors"):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    for name, info in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = info["data_offsets"]
            lines.append(f"{name} {hashlib.sha256(data[8 + size + begin:8 + size + end]).hexdigest()}")
print("\n".join(sorted(lines)))
