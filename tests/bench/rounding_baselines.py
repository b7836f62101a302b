#!/usr/bin/env python3
"""VQRound beside AdaRound and LoRA-rounding, through the same trainer on the same data from the same start (GPTQ, per row):
quality, trainable parameters, memory and time. Every setting is the default.

Usage: rounding_baselines.py --bin-dir build/bin [--smollm2 build/demo/smollm2] [--bits 3 --steps 100 --samples 64]
Prints Markdown. Without --smollm2 it takes the tiny LLaMA of the tests.
"""
import argparse

from vqround_quality import perplexity, quantize, smollm2, tiny

METHODS = ["vqround", "adaround", "lora-round"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--smollm2")
    parser.add_argument("--bits", type=int, default=3)
    parser.add_argument("--samples", type=int, default=64, help="windows of the demo model")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--eval-windows", type=int, help="at most")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    job = smollm2(options.smollm2, options.samples) if options.smollm2 else tiny("llama-tiny")
    print("| method | GPTQ | after training | trainable parameters | of the weights | peak MB | seconds a step |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for method in METHODS:
        done = quantize(options, job, options.bits, -1, ["--method", method, "--init", "gptq"])
        result = done["training_result"]
        parameters, weights = int(result["parameters"]), int(result["weights"])
        training = [p for p in done["phases"] if p["phase"] == "PHASE_FINETUNE"]
        seconds = max(p["seconds"] for p in training) / options.steps
        peak = max(int(p["peak_bytes"]) for p in training)
        print(f"| {method} | {perplexity(done, True):.2f} | {perplexity(done, False):.2f} | {parameters} | "
              f"{parameters / weights:.2%} | {peak / 1e6:.0f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
