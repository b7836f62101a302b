#!/usr/bin/env python3
"""Speed and memory of training beside the reference's way of doing it: rondo_train_bench and reference_step.py, then
rondo_kmeans_bench, one after the other in one run.

Usage: compare_training.py --bin-dir build/bin --model build/demo/smollm2 [--tokens 256,512 --threads 1]

Needs torch and transformers. `bound` is the time of our step's own matrix products at the measured rate of their shapes. Prints
Markdown and exits 1 when a target is missed: 5 times faster a step, within twice the bound, a fourth of the peak memory, a cache
smaller by vocabulary / width, k-means 5 times faster at the same distortion.
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STEP_FASTER, BOUND_RATIO, MEMORY_SMALLER, KMEANS_FASTER = 5.0, 2.0, 4.0, 5.0
MIB, CACHE_SLACK = 2 ** 20, 0.02  # headers of the cache's files


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


class Targets:
    missed = 0

    def mark(self, text, met):
        self.missed += not met
        return text if met else f"{text} MISSED"


def compare_steps(options, targets):
    config = json.load(open(f"{options.model}/config.json"))
    cache_target = config["vocab_size"] / config["hidden_size"] * (1 - CACHE_SLACK)
    print("| tokens | reference | seconds a step: reference | ours | times faster | bound | ours / bound | "
          "peak MiB: reference | ours | times smaller | cache bytes a token: reference | ours | times smaller |")
    print("| --- " * 13 + "|", flush=True)
    for tokens in map(int, options.tokens.split(",")):
        common = ["--model", options.model, "--tokens", str(tokens), "--threads", str(options.threads),
                  "--bits", str(options.bits)]
        ours = run([f"{options.bin_dir}/rondo_train_bench", *common, "--dtype", options.dtype,
                    "--steps", str(options.steps)])
        for dtype in options.reference_dtype.split(","):
            theirs = run([sys.executable, f"{HERE}/reference_step.py", *common, "--dtype", dtype,
                          "--steps", str(options.reference_steps)])
            faster = theirs["seconds"] / ours["seconds"]
            smaller = theirs["peak_bytes"] / ours["peak_bytes"]
            cache = theirs["cache_bytes_per_token"] / ours["cache_bytes_per_token"]
            print(f"| {tokens} | {dtype} | {theirs['seconds']:.2f} | {ours['seconds']:.2f} | "
                  f"{targets.mark(f'{faster:.2f}', faster >= STEP_FASTER)} | {ours['bound_seconds']:.2f} | "
                  f"{targets.mark(format(ours['bound_ratio'], '.2f'), ours['bound_ratio'] <= BOUND_RATIO)} | "
                  f"{theirs['peak_bytes'] / MIB:.0f} | {ours['peak_bytes'] / MIB:.0f} | "
                  f"{targets.mark(f'{smaller:.2f}', smaller >= MEMORY_SMALLER)} | "
                  f"{theirs['cache_bytes_per_token']:.0f} | {ours['cache_bytes_per_token']:.0f} | "
                  f"{targets.mark(f'{cache:.1f}', cache >= cache_target)} |", flush=True)


def compare_clustering(options, targets):
    command = [f"{options.bin_dir}/rondo_kmeans_bench", "--model", options.model, "--bits", str(options.bits),
               "--threads", str(options.threads), "--iterations", str(options.iterations),
               "--codes", str(options.codes)]
    rows = run(command)["rows"]
    print("\n| k-means | seconds | iterations | distortion | flipped | times faster |")
    print("| --- " * 6 + "|")
    for i, row in enumerate(rows):
        met = i != 1 or (row["faster"] >= KMEANS_FASTER and row["distortion"] <= rows[0]["distortion"])
        print(f"| {row['name']} | {row['seconds']:.2f} | {row['iterations']} | {row['distortion']:.5f} | "
              f"{row['flipped']:.2%} | {targets.mark(format(row['faster'], '.2f'), met)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", default="256,512")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bits", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", help="of our products")
    parser.add_argument("--reference-dtype", default="float32,bfloat16", help="a row of the table each")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--reference-steps", type=int, default=5)
    parser.add_argument("--codes", type=int, default=4096, help="of k-means")
    parser.add_argument("--iterations", type=int, default=25, help="of FAISS's k-means")
    options = parser.parse_args()
    targets = Targets()
    compare_steps(options, targets)
    compare_clustering(options, targets)
    sys.exit(targets.missed > 0)


if __name__ == "__main__":
    main()
