#!/usr/bin/env python3
"""Quantizes a LLaMA checkpoint that is all but empty: sparse files, random weights in the first layer
alone, which GPTQ solves; the other layers are rounded. What the largest process holds at its peak must
be within the plan's figure and much below the weights, which are read a layer at a time.

--shape 7b has the sizes of LLaMA-7B (minutes, 4 GB of disk); small is for every run of the tests."""
import argparse
import json
import math
import os
import resource
import struct
import subprocess
import sys
import tempfile

import numpy

SHAPES = {
    "small": {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 48,
              "num_attention_heads": 16, "vocab_size": 4096},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
           "num_attention_heads": 32, "vocab_size": 32000},
}
SAMPLES, TOKENS = 2, 64


def layer_tensors(shape, layer):
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    prefix = f"model.layers.{layer}."
    tensors = {f"{prefix}self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
    tensors |= {f"{prefix}mlp.{name}_proj.weight": (inner, hidden) for name in ("gate", "up")}
    tensors |= {f"{prefix}mlp.down_proj.weight": (hidden, inner),
                f"{prefix}input_layernorm.weight": (hidden,),
                f"{prefix}post_attention_layernorm.weight": (hidden,)}
    return tensors


def write_shard(path, tensors, is_filled):
    """float16; what is not filled is a hole, which reads as zeros."""
    header, offset = {}, 0
    for name, shape in tensors.items():
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    random = numpy.random.default_rng(1)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        file.truncate(start + offset)
        for name, shape in tensors.items():
            if is_filled(name):
                file.seek(start + header[name]["data_offsets"][0])
                for row in range(shape[0] if len(shape) > 1 else 1):
                    file.write((random.standard_normal(shape[-1], numpy.float32) * 0.02)
                               .astype(numpy.float16).tobytes())
    return offset


def write_checkpoint(folder, shape):
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
              "num_key_value_heads": shape["num_attention_heads"], "rms_norm_eps": 1e-6,
              "max_position_embeddings": 2048, "rope_theta": 10000.0,
              "tie_word_embeddings": False, "torch_dtype": "float16", **shape}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    table = (shape["vocab_size"], shape["hidden_size"])
    shards = [layer_tensors(shape, layer) for layer in range(shape["num_hidden_layers"])]
    shards.append({"model.embed_tokens.weight": table, "lm_head.weight": table,
                   "model.norm.weight": table[1:]})
    weight_map, total = {}, 0
    for i, tensors in enumerate(shards):
        name = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        total += write_shard(f"{folder}/{name}", tensors,
                             lambda tensor: ".layers.0." in tensor or "embed" in tensor)
        weight_map |= dict.fromkeys(tensors, name)
    with open(f"{folder}/model.safetensors.index.json", "w", encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, file)
    tokens = numpy.random.default_rng(2).integers(0, shape["vocab_size"], SAMPLES * TOKENS)
    numpy.save(f"{folder}/tokens.npy", tokens)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--shape", choices=list(SHAPES), default="small")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = write_checkpoint(folder, SHAPES[args.shape])
        job = ["--model", folder, "--bits", "4", "--group-size", "128", "--calibration",
               f"{folder}/tokens.npy", "--samples", str(SAMPLES), "--seq-len", str(TOKENS),
               "--workers", "1", "--override", "*:method=rtn", "--override",
               "model.layers.0.*:method=gptq"]
        done = subprocess.run([f"{args.bin_dir}/rondo", "quantize", "--json", *job, "--out",
                               f"{folder}/out"], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    planned = int(result["plan"]["stages"][0]["memory_bytes"])
    for phase in result["phases"]:
        print(f"{phase['phase']}: peak so far {int(phase['peak_bytes']) / 1e9:.2f} GB")
    # Of all processes below this one, those that were waited for.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"weights {weights / 1e9:.2f} GB as stored, planned {planned / 1e9:.2f} GB, "
          f"peak {peak / 1e9:.2f} GB")
    sys.exit(0 if peak <= min(planned, weights) else "the peak is too high")


if __name__ == "__main__":
    main()
