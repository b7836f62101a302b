#!/usr/bin/env python3
"""Quantizes the tiny models from PyTorch's files, whole and in shards, in every way that they are
published, and compares the artifacts with those of the same models in safetensors. Trains with such a
file as the teacher. Then files that must be refused, with nothing of them run."""
import argparse
import collections
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile

import safetensors.torch
import torch

DATA = pathlib.Path("tests/data")


def quantize(bin_dir, model, out):
    return subprocess.run(
        [f"{bin_dir}/rondo", "quantize", "--model", model, "--bits", "4", "--group-size", "32",
         "--calibration", DATA / "text/calibration.txt", "--samples", "4", "--seq-len", "64",
         "--workers", "2", "--threads", "1", "--export", "dense,compressed-tensors", "--out", out],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def weights_of(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(safetensors.torch.load_file(file))
    return tensors


def without_weights(model, target):
    shutil.copytree(DATA / "models" / model, target,
                    ignore=shutil.ignore_patterns("*.safetensors*", "golden"))
    return weights_of(DATA / "models" / model)


def state_dict(tensors):
    """As a model saves it: ordered, with an attribute."""
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def save_whole(tensors, folder):
    torch.save(state_dict(tensors), folder / "pytorch_model.bin")


def save_shards(tensors, folder):
    names = list(tensors)
    weight_map = {}
    for i, part in enumerate((names[::2], names[1::2])):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def bare_decoder(tensors):
    """facebook/opt-*: no "model." in front, and the tied head with the embedding's storage."""
    bare = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    bare["lm_head.weight"] = bare["decoder.embed_tokens.weight"]
    return bare


def with_buffers(tensors):
    """The first LLaMA checkpoints hold the rotary frequencies of every layer."""
    return tensors | {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(16)
                      for i in range(4)}


GOOD = [("opt-tiny", save_whole, bare_decoder), ("opt-tiny", save_shards, dict),
        ("llama-tiny", save_whole, with_buffers), ("qwen3-tiny", save_shards, dict)]


class RunsCode:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def wrong_shape(tensors):
    return tensors | {"model.norm.weight": torch.ones(64, dtype=torch.float16)}


def same_tensors(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def check_good(bin_dir, tmp):
    expected = {}
    for i, (model, save, change) in enumerate(GOOD):
        if model not in expected:
            out = tmp / f"{model}-out"
            done = quantize(bin_dir, DATA / "models" / model, out)
            assert done.returncode == 0, done.stderr
            expected[model] = out
        folder = tmp / f"good-{i}"
        save(change(without_weights(model, folder)), folder)
        done = quantize(bin_dir, folder, tmp / f"out-{i}")
        assert done.returncode == 0, done.stderr
        for export in ("dense", "compressed-tensors"):
            of_torch = weights_of(tmp / f"out-{i}" / export)
            assert of_torch and same_tensors(of_torch, weights_of(expected[model] / export)), (
                model, save, export)
        print(f"{model} {save.__name__} {change.__name__}: the same artifacts", flush=True)


def divergence(bin_dir, teacher, tmp, name):
    """From the teacher, after a little training."""
    done = subprocess.run(
        [f"{bin_dir}/rondo", "quantize", "--json", "--model", DATA / "models/llama-tiny", "--method",
         "vqround", "--bits", "2", "--group-size", "-1", "--steps", "2", "--teacher", teacher,
         "--calibration", DATA / "text/calibration.txt", "--samples", "4", "--seq-len", "64",
         "--workers", "1", "--threads", "1", "--out", tmp / name],
        env=os.environ | {"RONDO_CACHE_DIR": str(tmp / "cache")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["training_result"]["hard_divergence"]


def check_teacher(bin_dir, tmp):
    """A teacher in PyTorch's files is the one that it is in safetensors, and is not taken for another
    whose files have the same size and time."""
    folder = tmp / "teacher"
    tensors = without_weights("llama-tiny", folder)
    sharper = tensors | {"model.norm.weight": tensors["model.norm.weight"] * 1.5}
    safetensors.torch.save_file(sharper, folder / "model.safetensors")
    expected = divergence(bin_dir, folder, tmp, "of-safetensors")
    (folder / "model.safetensors").unlink()
    save_whole(sharper, folder)
    times = os.stat(folder / "pytorch_model.bin")
    of_torch = divergence(bin_dir, folder, tmp, "of-torch")
    save_whole(tensors, folder)
    os.utime(folder / "pytorch_model.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    other = divergence(bin_dir, folder, tmp, "of-other")
    assert of_torch == expected and other < 0.9 * expected, (expected, of_torch, other)
    print(f"teacher: divergence {of_torch} as from safetensors, {other} from the model itself", flush=True)


def check_refused(bin_dir, tmp, name, write, message):
    folder = tmp / name
    tensors = without_weights("llama-tiny", folder)
    write(tensors, folder / "pytorch_model.bin")
    done = quantize(bin_dir, folder, tmp / f"{name}-out")
    assert done.returncode != 0, name
    assert message in done.stderr.strip().splitlines()[-1], (name, done.stderr)
    assert not (tmp / f"{name}-out").exists(), name
    print(f"{name}: {done.stderr.strip().splitlines()[-1]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    bin_dir = parser.parse_args().bin_dir
    with tempfile.TemporaryDirectory() as directory:
        tmp = pathlib.Path(directory)
        check_good(bin_dir, tmp)
        check_teacher(bin_dir, tmp)
        ran = tmp / "the-pickle-ran-code"
        check_refused(bin_dir, tmp, "runs-code",
                      lambda t, f: torch.save(t | {"a": RunsCode(ran)}, f),
                      "it holds an object of the Python type posix.mkdir")
        assert not ran.exists()
        check_refused(bin_dir, tmp, "legacy",
                      lambda t, f: torch.save(t, f, _use_new_zipfile_serialization=False),
                      "is not in the zip format that torch.save writes since PyTorch 1.6")
        check_refused(bin_dir, tmp, "pickle", lambda t, f: f.write_bytes(pickle.dumps(1)),
                      "call save_pretrained(new_folder), which writes model.safetensors")
        check_refused(bin_dir, tmp, "wrong-shape", lambda t, f: torch.save(wrong_shape(t), f),
                      "tensor model.norm.weight has shape [64], config.json asks for [128]")
        check_refused(bin_dir, tmp, "too-small", lambda t, f: torch.save({}, f),
                      "the 1000576 weights that config.json asks for take at least 2001152")


if __name__ == "__main__":
    sys.exit(main())
