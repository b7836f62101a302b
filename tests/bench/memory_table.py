#!/usr/bin/env python3
"""What a rank takes at its peak beside what the plan says, for jobs of every kind on one model.

Usage: memory_table.py --bin-dir build/bin --model build/demo/smollm2
Prints Markdown and exits 1 when a rank's peak (resident memory) is more than 15 % away from the plan.
"""
import argparse
import json
import subprocess
import sys
import tempfile

EVALUATION = ["--eval", "text=tests/data/smollm2/ppl_test_40x512.npy"]
TRAINING = ["--samples", "8", "--checkpoint-every", "0"]
JOBS = {
    "rtn": ["--method", "rtn"],
    "gptq, bfloat16": ["--method", "gptq", "--samples", "16", "--dtype", "bfloat16"],
    "gptq, float32, evaluated": ["--method", "gptq", "--samples", "16", "--dtype", "float32", *EVALUATION],
    "vqround, bfloat16": ["--method", "vqround", "--steps", "4", "--dtype", "bfloat16", *TRAINING],
    "vqround, float32, evaluated": ["--method", "vqround", "--steps", "4", "--train-dtype", "float32", *TRAINING,
                                    *EVALUATION],
    "vqround, two workers": ["--method", "vqround", "--steps", "4", "--dtype", "bfloat16", "--workers", "2", *TRAINING],
    "adaround, 20 of 30 layers skipped": ["--method", "adaround", "--steps", "2", "--dtype", "bfloat16", "--override",
                                          "model.layers.1?.*:skip", "--override", "model.layers.2?.*:skip", *TRAINING],
    "adaround": ["--method", "adaround", "--steps", "2", "--dtype", "bfloat16", *TRAINING],
}
TOLERANCE = 0.15


def quantize(options, job):
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{options.bin_dir}/rondo", "quantize", "--json", "--model", options.model, "--calibration",
                   "tests/data/smollm2/train_valid_128x512.npy", "--seq-len", "512", "--eval-seq-len", "512",
                   "--no-eval-original", "--bits", "3", "--group-size", "-1", "--asymmetric", "--threads", "1", *job,
                   "--export", "dense", "--out", f"{folder}/out"]
        if "--workers" not in job:
            command += ["--workers", "1"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    missed = 0
    print("| job | stage | planned MB | measured MB | measured / planned |\n| --- | --- | --- | --- | --- |")
    for name, job in JOBS.items():
        done = quantize(options, job)
        for stage, plan in enumerate(done["plan"]["stages"]):
            planned = int(plan["memory_bytes"])
            peak = max(int(p["peak_bytes"]) for p in done["phases"] if p["rank"] == stage)
            missed += abs(peak / planned - 1) > TOLERANCE
            print(f"| {name} | {stage} | {planned / 1e6:.0f} | {peak / 1e6:.0f} | {peak / planned:.2f} |", flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
