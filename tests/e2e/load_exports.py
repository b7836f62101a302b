#!/usr/bin/env python3
"""Quantizes the tiny models in every format and holds the perplexity that transformers computes from
the folder against the one that the job reported: 0.5 % at most. LLaMA on every grid and on several
at once, each other family on one."""
import argparse
import json
import subprocess
import sys
import tempfile

sys.path.insert(0, "tools")
import check_artifact  # noqa: E402

DATA = "tests/data"
TEXT = (f"{DATA}/text/heldout.txt", 256, 40)  # to evaluate on: tokens a window, windows
POST_NORM_TOKENS = (f"{DATA}/models/opt-post-norm/golden/tokens.npy", 24, 2)
MIXED = ["*.down_proj:bits=8,group_size=16", "*.v_proj:group_size=-1,method=rtn",
         "model.layers.0.mlp.*:skip"]
JOBS = [("llama-tiny", TEXT, 2, 32, "--symmetric"), ("llama-tiny", TEXT, 3, 32, "--symmetric"),
        ("llama-tiny", TEXT, 3, -1, "--asymmetric"), ("llama-tiny", TEXT, 4, 32, "--asymmetric"),
        ("llama-tiny", TEXT, 4, -1, "--symmetric"), ("llama-tiny", TEXT, 8, 32, "--symmetric"),
        ("opt-tiny", TEXT, 4, 32, "--asymmetric"),
        ("opt-post-norm", POST_NORM_TOKENS, 4, 16, "--symmetric"),
        ("qwen3-tiny", TEXT, 3, -1, "--asymmetric")]


def quantize(bin_dir, model, evaluation, bits, group_size, symmetry, overrides, out):
    data, seq_len, windows = evaluation
    calibration = ([f"{DATA}/text/calibration.txt", "--samples", "8", "--seq-len", "128"]
                   if evaluation is TEXT else [data, "--samples", "2", "--seq-len", str(seq_len)])
    command = [f"{bin_dir}/rondo", "quantize", "--json", "--model", f"{DATA}/models/{model}",
               "--method", "gptq", "--bits", str(bits), "--group-size", str(group_size), symmetry,
               "--calibration", *calibration, "--workers", "2", "--eval", data, "--eval-seq-len",
               str(seq_len), "--eval-windows", str(windows), "--no-eval-original", "--export",
               "dense,compressed-tensors", "--out", out]
    for override in overrides:
        command += ["--override", override]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    job = json.loads(done.stdout.strip().splitlines()[-1])
    return next(e["perplexity"] for e in job["evaluations"] if e["quantized"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    bin_dir = parser.parse_args().bin_dir
    failed = 0
    jobs = [(*job, []) for job in JOBS] + [("llama-tiny", TEXT, 3, 32, "--symmetric", MIXED)]
    for model, evaluation, bits, group_size, symmetry, overrides in jobs:
        data, seq_len, windows = evaluation
        with tempfile.TemporaryDirectory() as directory:
            out = f"{directory}/out"
            expected = quantize(bin_dir, model, evaluation, bits, group_size, symmetry, overrides, out)
            for name in ("dense", "compressed-tensors"):
                print(f"{model} W{bits} group {group_size} {symmetry} {' '.join(overrides)} {name}: "
                      f"rondo {expected:.4f}", flush=True)
                failed += check_artifact.main(
                    ["--model", f"{out}/{name}", "--text" if evaluation is TEXT else "--tokens",
                     data, "--seq-len", str(seq_len), "--windows", str(windows), "--expect",
                     str(expected), "--tolerance", "0.005"])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
