#!/usr/bin/env python3
"""Every method on every family of models in 2, 3, 4 and 8 bits, through the whole service: prints
docs/families.md's table of perplexities on held-out text. Grids are per row and asymmetric.

Fails when the original or rounding to nearest is further than 0.5 % from what transformers says
(golden/ppl.json of each model), or when a job fails.
--quick trains a few steps on little text and measures a few windows where nothing is compared."""
import argparse
import json
import math
import subprocess
import sys
import tempfile

DATA = "tests/data"
MODELS = ["llama-tiny", "opt-tiny", "qwen3-tiny"]
METHODS = ["rtn", "gptq", "vqround", "adaround", "lora-round"]
BITS = [2, 3, 4, 8]
TOLERANCE = 0.005


def options(method, quick):
    chosen = []
    if method != "rtn":
        chosen += ["--calibration", f"{DATA}/text/calibration.txt", "--samples",
                   "16" if quick else "64", "--seq-len", "128" if quick else "256"]
    if method not in ("rtn", "gptq"):
        chosen += ["--steps", "3" if quick else "200", "--checkpoint-every", "0"]
    if quick and method != "rtn":
        chosen += ["--eval-windows", "20"]
    return chosen


def run(bin_dir, model, method, bits, quick):
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{bin_dir}/rondo", "quantize", "--json", "--model", f"{DATA}/models/{model}",
                   "--method", method, "--bits", str(bits), "--group-size", "-1", "--asymmetric",
                   "--eval", f"{DATA}/text/heldout.txt", "--eval-seq-len", "256", "--workers", "1",
                   "--out", f"{folder}/out", *options(method, quick)]
        if method != "rtn" or bits != BITS[0]:
            command.append("--no-eval-original")
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def perplexities(done):
    """(original or None, quantized) of what a job printed."""
    job = json.loads(done.stdout.strip().splitlines()[-1])
    sets = [e for e in job["evaluations"] if e["set"] == "heldout" and not e.get("before_training")]
    by_kind = {bool(e.get("quantized")): e["perplexity"] for e in sets}
    return by_kind.get(False), by_kind[True]


def cell(bin_dir, model, method, bits, quick, golden):
    """(original or None, text of the cell, what is wrong)"""
    done = run(bin_dir, model, method, bits, quick)
    if done.returncode != 0:
        return None, "failed", [done.stderr[-300:]]
    original, quantized = perplexities(done)
    faults = []
    for figure, value in (("fp", original), (f"W{bits}", quantized if method == "rtn" else None)):
        want = golden.get(figure)
        if value is not None and want is not None and abs(value / want - 1) > TOLERANCE:
            faults.append(f"{figure} is {value}, transformers has {want}")
    if not math.isfinite(quantized):
        faults.append(f"perplexity {quantized}")
    return original, f"{quantized:.2f}", faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print("| model | original | method | " + " | ".join(f"{b} bits" for b in BITS) + " |")
    print("| --- | --- | --- |" + " --- |" * len(BITS))
    failed = False
    for model in MODELS:
        with open(f"{DATA}/models/{model}/golden/ppl.json", encoding="utf-8") as file:
            golden = json.load(file)
        shown = ""
        for method in METHODS:
            texts = []
            for bits in BITS:
                original, text, faults = cell(args.bin_dir, model, method, bits, args.quick, golden)
                texts.append(text)
                shown = f"{original:.2f}" if original is not None else shown
                for fault in faults:
                    failed = True
                    print(f"{model} {method} {bits} bits: {fault}", file=sys.stderr, flush=True)
            print(f"| {model} | {shown} | {method} | " + " | ".join(texts) + " |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
