#!/usr/bin/env python3
"""Every method on every family of models in 2, 3, 4 and 8 bits, through the whole service: prints
docs/results.md's tables of perplexities on held-out text. Grids are per row and asymmetric.

The second table compares the original and rounding to nearest with what transformers says of the same
models and text (golden/ppl.json of each model; tests/data/models/PROVENANCE.md). Fails when one is
further than 0.5 % from it, when 8 bits are further than 0.5 % from the original, or when a job fails.
--quick measures a few windows after a few steps, and compares only the latter: that the former agree is
rondo_e2e_quantize_test's to hold (KnownPerplexities)."""
import argparse
import concurrent.futures
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile

DATA = "tests/data"
MODELS = ["llama-tiny", "opt-tiny", "qwen3-tiny"]
METHODS = ["rtn", "gptq", "vqround", "adaround", "lora-round"]
BITS = [2, 3, 4, 8]
TOLERANCE = 0.005


def options(method, quick):
    chosen = ["--eval-windows", "10"] if quick else []
    if method != "rtn":
        chosen += ["--calibration", f"{DATA}/text/calibration.txt", "--samples",
                   "8" if quick else "64", "--seq-len", "128" if quick else "256"]
    if method not in ("rtn", "gptq"):
        chosen += ["--steps", "3" if quick else "200", "--checkpoint-every", "0"]
    return chosen


def measures_original(method, bits):
    return method == METHODS[0] and bits == BITS[0]


def run(bin_dir, quick, model, method, bits):
    """{False: the original's perplexity, where it is measured, True: the quantized model's}"""
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{bin_dir}/rondo", "quantize", "--json", "--model", f"{DATA}/models/{model}",
                   "--method", method, "--bits", str(bits), "--group-size", "-1", "--asymmetric",
                   "--eval", f"{DATA}/text/heldout.txt", "--eval-seq-len", "256", "--workers", "1",
                   "--threads", "1", "--out", f"{folder}/out", *options(method, quick)]
        if not measures_original(method, bits):
            command.append("--no-eval-original")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"{model} {method} {bits} bits: {done.stderr[-300:]}", file=sys.stderr, flush=True)
        return {True: math.nan}
    job = json.loads(done.stdout.strip().splitlines()[-1])
    return {bool(e.get("quantized")): e["perplexity"]
            for e in job["evaluations"] if not e.get("before_training")}


class Comparison:
    """Rows of measured beside expected figures."""

    def __init__(self):
        self.rows = []
        self.failed = False

    def add(self, name, expected, measured):
        difference = measured / expected - 1
        good = abs(difference) <= TOLERANCE  # and so a number
        self.failed |= not good
        self.rows.append((name, expected, measured, difference))
        if not good:
            print(f"{name} is {measured}, {expected} is expected", file=sys.stderr, flush=True)


def print_perplexities(cells):
    print("| model | original | method | " + " | ".join(f"{b} bits" for b in BITS) + " |")
    print("| --- | --- | --- |" + " --- |" * len(BITS))
    for model, method in itertools.product(MODELS, METHODS):
        original = cells[model, METHODS[0], BITS[0]].get(False, math.nan)
        figures = " | ".join(f"{cells[model, method, bits][True]:.2f}" for bits in BITS)
        print(f"| {model} | {original:.2f} | {method} | {figures} |")


def compare_with_transformers(cells):
    comparison = Comparison()
    for model in MODELS:
        with open(f"{DATA}/models/{model}/golden/ppl.json", encoding="utf-8") as file:
            golden = json.load(file)
        comparison.add(f"{model}, original", golden["fp"],
                       cells[model, METHODS[0], BITS[0]].get(False, math.nan))
        for bits in (2, 3, 4):
            comparison.add(f"{model}, rtn, {bits} bits", golden[f"W{bits}"],
                           cells[model, "rtn", bits][True])
    print("\n| | transformers | ours | difference |\n| --- | --- | --- | --- |")
    for name, expected, measured, difference in comparison.rows:
        print(f"| {name} | {expected:.3f} | {measured:.3f} | {100 * difference:+.3f} % |")
    return comparison.failed


def compare_eight_bits(cells):
    comparison = Comparison()
    for model, method in itertools.product(MODELS, METHODS):
        comparison.add(f"{model}, {method}, 8 bits",
                       cells[model, METHODS[0], BITS[0]].get(False, math.nan),
                       cells[model, method, 8][True])
    return comparison.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), help="jobs, of one thread")
    args = parser.parse_args()
    names = list(itertools.product(MODELS, METHODS, BITS))
    with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
        results = pool.map(lambda name: run(args.bin_dir, args.quick, *name), names)
        cells = dict(zip(names, results))
    print_perplexities(cells)
    failed = any(math.isnan(cell[True]) for cell in cells.values())
    if not args.quick:
        failed |= compare_with_transformers(cells)
    failed |= compare_eight_bits(cells)
    sys.exit(failed)


if __name__ == "__main__":
    main()
