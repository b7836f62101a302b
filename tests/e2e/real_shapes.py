#!/usr/bin/env python3
"""Random weights in the shapes of published models (few layers, whole vocabularies): what
`rondo eval` says of single windows is what transformers computes, to 1e-4 of the negative
log-likelihood."""
import argparse
import gc
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

WINDOWS, TOKENS = 3, 12
CONFIGS = {
    "opt-125m": (torch.float16, transformers.OPTConfig(num_hidden_layers=2)),
    "opt-350m": (torch.float16, transformers.OPTConfig(
        hidden_size=1024, ffn_dim=4096, num_attention_heads=16, word_embed_proj_dim=512,
        do_layer_norm_before=False, num_hidden_layers=2)),
    "qwen3-0.6b": (torch.bfloat16, transformers.Qwen3Config(
        hidden_size=1024, intermediate_size=3072, num_attention_heads=16, num_key_value_heads=8,
        head_dim=128, max_position_embeddings=40960, tie_word_embeddings=True,
        rope_theta=1000000.0, num_hidden_layers=2)),
    "llama-7b": (torch.float16, transformers.LlamaConfig(num_hidden_layers=1)),
}


def make_model(dtype, config, folder):
    """Biases and norms are random too, so that none of them could be left out."""
    torch.manual_seed(1)
    config.dtype = dtype
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape).mul_(0.1).to(dtype))
    model.save_pretrained(folder)
    return model.float().eval()


@torch.inference_mode()
def expected(model, windows):
    """Mean negative log-likelihood of each window."""
    return [torch.nn.functional.cross_entropy(model(window[None]).logits[0, :-1], window[1:]).item()
            for window in windows]


def measured(bin_dir, folder):
    """The same of `rondo eval`, with an evaluation set for each window."""
    command = [f"{bin_dir}/rondo", "eval", "--json", "--model", folder, "--workers", "1",
               "--eval-seq-len", str(TOKENS)]
    for i in range(WINDOWS):
        command += ["--eval", f"{i}={folder}/{i}.npy"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    job = json.loads(done.stdout.strip().splitlines()[-1])
    by_set = {e["set"]: math.log(e["perplexity"]) for e in job["evaluations"]}
    return [by_set[str(i)] for i in range(WINDOWS)]


def check(bin_dir, name):
    dtype, config = CONFIGS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(dtype, config, folder)
        windows = torch.randint(0, config.vocab_size, (WINDOWS, TOKENS))
        for i, window in enumerate(windows):
            numpy.save(os.path.join(folder, f"{i}.npy"), window.numpy())
        want = expected(model, windows)
        del model
        gc.collect()
        got = measured(bin_dir, folder)
    error = max(abs(g - w) / w for g, w in zip(got, want))
    # Windows that a model finds equally likely would hide an error.
    spread = max(want) - min(want)
    print(f"{name}: nll {[round(w, 4) for w in want]}, largest relative difference {error:.1e}",
          flush=True)
    return error < 1e-4 and spread > 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--models", nargs="*", default=list(CONFIGS), choices=list(CONFIGS))
    args = parser.parse_args()
    torch.set_num_threads(2)
    transformers.utils.logging.set_verbosity_error()
    failed = [name for name in args.models if not check(args.bin_dir, name)]
    sys.exit(f"failed: {failed}" if failed else 0)


if __name__ == "__main__":
    main()
