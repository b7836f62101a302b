#!/usr/bin/env python3
"""How fast a checkpoint of 2 GB is read, layer by layer, into float32 with the search for NaN
(rondo_load_bench), beside `cat FILE > /dev/null`: both from a file that is not in the page cache, and
both again when it is; the best of some tries in turn.

Usage: load_speed.py --bin-dir build/current/bin"""
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
    return f"{folder}/model.safetensors"


def evict(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cat_seconds(path):
    start = time.monotonic()
    subprocess.run(f"cat {path} > /dev/null", shell=True, check=True)
    return time.monotonic() - start


def load_seconds(bin_dir, folder, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE")  # a rank's
    done = subprocess.run([f"{bin_dir}/rondo_load_bench", folder], check=True, text=True,
                          stdout=subprocess.PIPE, env=environment)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tries", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_checkpoint(folder)
        size = os.path.getsize(path)
        print("| file | cat | rondo | share |\n| --- | --- | --- | --- |")
        for state in ("not cached", "cached"):
            best = {}
            for _ in range(args.tries):
                for name, measure in (("cat", lambda: cat_seconds(path)),
                                      ("rondo", lambda: load_seconds(args.bin_dir, folder,
                                                                     args.threads))):
                    if state == "not cached":
                        evict(path)
                    best[name] = min(best.get(name, float("inf")), measure())
            cat, rondo = size / best["cat"], size / best["rondo"]
            print(f"| {size / 1e9:.1f} GB, {state} | {cat / 1e9:.2f} GB/s | {rondo / 1e9:.2f} GB/s | "
                  f"{rondo / cat:.2f} |", flush=True)


if __name__ == "__main__":
    main()
