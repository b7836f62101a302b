#!/usr/bin/env python3
"""Perplexity of VQRound beside the roundings that it starts from, through the whole service.

Usage: vqround_quality.py --bin-dir build/bin [--smollm2 build/demo/smollm2] [--tiny] [--bits 3,2] [--rows gptq-sign,...]
Prints a Markdown table; exits 1 when a VQRound row is no better than its start. The tiny models are per row at W3
and W2; the demo model is per row at W3 and in groups of 64 at W2. The same calibration windows serve GPTQ and training.
"""
import argparse
import json
import subprocess
import sys
import tempfile

TINY = ["llama-tiny", "opt-tiny", "qwen3-tiny"]
ROWS = {  # name: (initialisation, clustering)
    "rtn-l2": ("rtn", "l2"), "rtn-linf": ("rtn", "linf"), "rtn-sign": ("rtn", "sign-preserving"),
    "gptq-l2": ("gptq", "l2"), "gptq-linf": ("gptq", "linf"), "gptq-sign": ("gptq", "sign-preserving"),
}


def tiny(name):
    return ["--model", f"tests/data/models/{name}", "--calibration", "tests/data/text/calibration.txt",
            "--samples", "64", "--seq-len", "512", "--eval", "text=tests/data/text/heldout.txt",
            "--eval-seq-len", "256"]


def smollm2(folder, samples):
    return ["--model", folder, "--calibration", "tests/data/smollm2/train_valid_128x512.npy",
            "--samples", str(samples), "--seq-len", "512", "--dtype", "bfloat16", "--eval",
            "text=tests/data/smollm2/ppl_test_40x512.npy", "--eval-seq-len", "512"]


def quantize(options, job, bits, group, method):
    with tempfile.TemporaryDirectory() as folder:
        command = [f"{options.bin_dir}/rondo", "quantize", "--json", *job, "--no-eval-original",
                   *method, "--steps", str(options.steps), "--bits", str(bits), "--group-size", str(group),
                   "--asymmetric", "--workers", "1", "--threads", str(options.threads),
                   "--checkpoint-every", "0", "--export", "dense", "--out", f"{folder}/out"]
        if options.eval_windows:
            command += ["--eval-windows", str(options.eval_windows)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def perplexity(job, before):
    return next(e["perplexity"] for e in job["evaluations"]
                if e["quantized"] and e.get("before_training", False) == before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--smollm2")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--bits", default="3,2")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--samples", type=int, default=128, help="windows of the demo model")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--eval-windows", type=int, help="at most")
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    jobs = [(name, tiny(name), -1, -1) for name in TINY] if options.tiny else []
    if options.smollm2:
        jobs.append(("SmolLM2", smollm2(options.smollm2, options.samples), -1, 64))
    failed = False
    print("| model | bits | start | clustering | at the start | VQRound | decisions changed | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, job, group3, group2 in jobs:
        for bits in map(int, options.bits.split(",")):
            for row in options.rows.split(","):
                init, clustering = ROWS[row]
                method = ["--method", "vqround", "--init", init, "--clustering", clustering, "--schedule",
                          options.schedule, "--learning-rate", str(options.learning_rate)]
                done = quantize(options, job, bits, group3 if bits == 3 else group2, method)
                start, end = perplexity(done, True), perplexity(done, False)
                failed |= clustering == "sign-preserving" and end >= start
                seconds = sum(p["seconds"] for p in done["phases"] if p["phase"].endswith("FINETUNE"))
                print(f"| {name} | {bits} | {init} | {clustering} | {start:.2f} | {end:.2f} | "
                      f"{done['training_result']['changed']:.2%} | {seconds:.0f} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
