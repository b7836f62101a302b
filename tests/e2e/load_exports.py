#!/usr/bin/env python3
"""Quantizes the tiny LLaMA in every format and holds the perplexity that transformers computes from
the folder against the one that the job reported: 0.5 % at most."""
import argparse
import json
import subprocess
import sys
import tempfile

sys.path.insert(0, "tools")
import check_artifact  # noqa: E402

DATA = "tests/data"
SEQ_LEN, WINDOWS = 256, 40
GRIDS = [(2, 32, "--symmetric"), (3, 32, "--symmetric"), (3, -1, "--asymmetric"),
         (4, 32, "--asymmetric"), (4, -1, "--symmetric"), (8, 32, "--symmetric")]


def quantize(bin_dir, bits, group_size, symmetry, out):
    command = [f"{bin_dir}/rondo", "quantize", "--json", "--model", f"{DATA}/models/llama-tiny",
               "--method", "gptq", "--bits", str(bits), "--group-size", str(group_size), symmetry,
               "--calibration", f"{DATA}/text/calibration.txt", "--samples", "8", "--seq-len",
               "128", "--workers", "2", "--eval", f"{DATA}/text/heldout.txt", "--eval-seq-len",
               str(SEQ_LEN), "--eval-windows", str(WINDOWS), "--no-eval-original", "--export",
               "dense,compressed-tensors", "--out", out]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    job = json.loads(done.stdout.strip().splitlines()[-1])
    return next(e["perplexity"] for e in job["evaluations"] if e["quantized"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    bin_dir = parser.parse_args().bin_dir
    failed = 0
    for bits, group_size, symmetry in GRIDS:
        with tempfile.TemporaryDirectory() as directory:
            out = f"{directory}/out"
            expected = quantize(bin_dir, bits, group_size, symmetry, out)
            for name in ("dense", "compressed-tensors"):
                print(f"W{bits} group {group_size} {symmetry} {name}: rondo {expected:.4f}",
                      flush=True)
                failed += check_artifact.main(
                    ["--model", f"{out}/{name}", "--text", f"{DATA}/text/heldout.txt", "--seq-len",
                     str(SEQ_LEN), "--windows", str(WINDOWS), "--expect", str(expected),
                     "--tolerance", "0.005"])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
