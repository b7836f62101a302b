#!/usr/bin/env python3
"""Perplexities of the demo model against those of the reference implementation, through the whole service.

Usage: smollm2_quality.py --bin-dir build/bin --model build/demo/smollm2 [--dtype float32,bfloat16]
(`make quickstart` makes the model.) Per row, asymmetric, 32 samples of 512 tokens of WikiText-2 valid,
percdamp 0.01, no act_order, on the first 40 windows of 512 tokens of WikiText-2 test. Exits 1 when a
figure is outside what docs/results.md allows.
"""
import argparse
import json
import subprocess
import sys
import tempfile

DATA = "tests/data/smollm2"
# (method, bits): reference perplexity, how much worse we may be, how much better.
REFERENCE = {
    ("rtn", 4): (49.46, 0.01, 0.01),
    ("rtn", 3): (577.3, 0.01, 0.01),
    ("gptq", 4): (47.67, 0.03, 1.0),
    ("gptq", 3): (209.86, 0.20, 1.0),
}
ORIGINAL = (28.740, 0.001, 0.001)


def run(options, method, bits, dtype, first, propagate="quantized"):
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{options.bin_dir}/rondo", "quantize", "--json", "--model", options.model,
                   "--method", method, "--bits", str(bits), "--group-size", "-1", "--asymmetric",
                   "--propagate", propagate, "--percdamp", "0.01", "--dtype", dtype,
                   "--calibration", f"{DATA}/calib_valid_32x512.npy", "--samples", "32",
                   "--seq-len", "512", "--workers", "1", "--threads", str(options.threads),
                   "--eval", f"wikitext2={DATA}/ppl_test_40x512.npy", "--eval-seq-len", "512",
                   "--export", "dense", "--out", f"{folder}/out"]
        if not first:
            command.append("--no-eval-original")
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def perplexity(job, quantized):
    return next(e["perplexity"] for e in job["evaluations"]
                if e["set"] == "wikitext2" and e["quantized"] == quantized)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", default="float32,bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    failed = 0

    def row(name, dtype, value, reference):
        nonlocal failed
        expected, worse, better = reference
        ok = expected * (1 - better) <= value <= expected * (1 + worse)
        failed += not ok
        print(f"| {name} | {dtype} | {value:.3f} | {expected} | {value / expected - 1:+.2%} | "
              f"{'ok' if ok else 'OUTSIDE'} |", flush=True)

    print("| model | calibration dtype | perplexity | reference | difference | |")
    print("| --- | --- | --- | --- | --- | --- |")
    first = True
    for (method, bits), reference in REFERENCE.items():
        for dtype in options.dtype.split(",") if method == "gptq" else ["-"]:
            job = run(options, method, bits, "float32" if dtype == "-" else dtype, first)
            if first:
                row("original", "-", perplexity(job, False), ORIGINAL)
            first = False
            row(f"{method} W{bits}", dtype, perplexity(job, True), reference)
    for bits in (4, 3):
        job = run(options, "gptq", bits, "float32", False, propagate="fp")
        print(f"| gptq W{bits}, propagate fp | float32 | {perplexity(job, True):.3f} | | | |",
              flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
