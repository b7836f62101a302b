#!/usr/bin/env python3
"""How fast a checkpoint of 2 GB is read: `rondo eval` on one window of a few tokens, beside
`cat FILE > /dev/null`, both from a file that is not in the page cache, and both again when it is.
The time of eval is that of its phase, so it holds the conversion to float32, the search for NaN and a
forward pass."""
import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy

from safetensors.numpy import save_file

LAYERS, HIDDEN, INNER, VOCAB = 20, 2048, 5504, 1024


def write_checkpoint(folder):
    block = (numpy.random.default_rng(1).standard_normal((INNER, HIDDEN), numpy.float32) * 0.02
             ).astype(numpy.float16)
    square, norm, table = block[:HIDDEN], numpy.ones(HIDDEN, numpy.float16), block[:VOCAB]
    tensors = {"model.embed_tokens.weight": table, "lm_head.weight": table, "model.norm.weight": norm}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in "qkvo":
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = square
        for name in ("gate", "up"):
            tensors[f"{prefix}mlp.{name}_proj.weight"] = block
        tensors[f"{prefix}mlp.down_proj.weight"] = numpy.ascontiguousarray(block.T)
        for name in ("input", "post_attention"):
            tensors[f"{prefix}{name}_layernorm.weight"] = norm
    save_file(tensors, f"{folder}/model.safetensors")
    config = {"model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
              "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 16,
              "num_key_value_heads": 16, "vocab_size": VOCAB, "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    numpy.save(f"{folder}/tokens.npy", numpy.arange(4))
    return f"{folder}/model.safetensors"


def evict(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cat_seconds(path):
    start = time.monotonic()
    subprocess.run(f"cat {path} > /dev/null", shell=True, check=True)
    return time.monotonic() - start


def eval_seconds(bin_dir, folder, threads):
    done = subprocess.run(
        [f"{bin_dir}/rondo", "eval", "--json", "--model", folder, "--eval", f"{folder}/tokens.npy",
         "--eval-seq-len", "4", "--workers", "1", "--threads", str(threads)],
        check=True, stdout=subprocess.PIPE, text=True)
    job = json.loads(done.stdout.strip().splitlines()[-1])
    return sum(phase["seconds"] for phase in job["phases"] if phase["phase"] == "PHASE_EVALUATE")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_checkpoint(folder)
        size = os.path.getsize(path)
        print("| file | cat | rondo | share |\n| --- | --- | --- | --- |")
        for state in ("not cached", "cached"):
            speeds = []
            for measure in (lambda: cat_seconds(path),
                            lambda: eval_seconds(args.bin_dir, folder, args.threads)):
                if state == "not cached":
                    evict(path)
                speeds.append(size / measure())
            cat, rondo = speeds
            print(f"| {size / 1e9:.1f} GB, {state} | {cat / 1e9:.2f} GB/s | {rondo / 1e9:.2f} GB/s | "
                  f"{rondo / cat:.2f} |", flush=True)


if __name__ == "__main__":
    main()
