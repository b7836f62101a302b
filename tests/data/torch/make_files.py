#!/usr/bin/env python3
"""Writes the small files of torch.save beside this script, good ones and damaged ones, and good.json
with what the good ones hold. Run with torch 2.11.0."""
import collections
import decimal
import json
import os
import pathlib
import pickle
import zipfile

import torch

HERE = pathlib.Path(__file__).parent


def tensors():
    torch.manual_seed(1)
    base = torch.randn(3, 4)
    return {"half": base.to(torch.float16), "bfloat16": base.to(torch.bfloat16), "float32": base,
            "long": torch.arange(5), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 7),
            # Both lie in one record.
            "rows": base[1:3], "alias": base}


def rewrite(name, target, change=lambda record, data: data, compression=zipfile.ZIP_STORED,
            drop=()):
    """A copy of a file with other records."""
    with zipfile.ZipFile(HERE / name) as source, \
            zipfile.ZipFile(HERE / target, "w", compression) as out:
        for record in source.namelist():
            short = record.split("/", 1)[1]
            if short not in drop:
                out.writestr(zipfile.ZipInfo(record), change(short, source.read(record)),
                             compression)


def patched(old, new):
    def change(record, data):
        if record != "data.pkl":
            return data
        assert old in data
        return data.replace(old, new, 1)
    return change


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("the-pickle-ran-code",)


def state_dict():
    """An OrderedDict with an attribute, as models save theirs."""
    state = collections.OrderedDict(tensors())
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def main():
    os.chdir(HERE)
    torch.save(tensors(), "dict.bin")
    torch.save(state_dict(), "state_dict.bin")
    torch.save({k: torch.nn.Parameter(t) for k, t in tensors().items() if t.is_floating_point()},
               "parameters.bin")
    with open("good.json", "w") as out:
        json.dump({name: {"dtype": str(t.dtype).split(".")[1], "shape": list(t.shape),
                          "bytes": t.contiguous().view(-1).view(torch.uint8).numpy().tobytes().hex()}
                   for name, t in tensors().items()}, out, indent=1)
        out.write("\n")

    torch.save({"a": RunsCode()}, "runs_code.bin")
    torch.save({"a": decimal.Decimal(1)}, "other_type.bin")
    torch.save({"model": tensors()}, "nested.bin")
    torch.save([torch.zeros(1)], "list.bin")
    torch.save({1: torch.zeros(1)}, "number_key.bin")
    torch.save({"a": torch.zeros(2, 3).t()}, "transposed.bin")
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, "complex.bin")
    torch.save({"a": torch.zeros(300)}, "plain.bin")  # 300 and 301 are two bytes in the pickle
    size = pickle.BININT2 + (300).to_bytes(2, "little")
    larger = pickle.BININT2 + (301).to_bytes(2, "little")
    # The storage's size comes first, then the tensor's.
    rewrite("plain.bin", "storage_too_large.bin",
            lambda r, d: d.replace(size, larger) if r == "data.pkl" else d)
    rewrite("plain.bin", "offset.bin", patched(pickle.BININT1 + b"\x00" + size, b"K\x01" + size))
    rewrite("plain.bin", "compressed.bin", compression=zipfile.ZIP_DEFLATED)
    rewrite("plain.bin", "no_pickle.bin", drop=("data.pkl",))
    rewrite("plain.bin", "no_record.bin", drop=("data/0",))
    rewrite("plain.bin", "half_pickle.bin", lambda r, d: d[:-20] if r == "data.pkl" else d)
    rewrite("plain.bin", "big_endian.bin", lambda r, d: b"big" if r == "byteorder" else d)
    data = pathlib.Path("plain.bin").read_bytes()
    pathlib.Path("truncated.bin").write_bytes(data[:-100])


if __name__ == "__main__":
    main()
