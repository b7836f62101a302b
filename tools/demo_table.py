#!/usr/bin/env python3
"""The second half of `make quickstart`: RTN at 4 and 3 bits and GPTQ at 3 bits beside the first job's
GPTQ at 4 bits, a check by transformers that the artifact is what Rondo says, and a table of it all.

Usage: demo_table.py --first SUMMARY --folder DIR -- OPTION...
SUMMARY is what the first `rondo quantize` printed, DIR holds its model (smollm2) and its result
(smollm2-w4); the options are those that all jobs share.
"""

import argparse
import datetime
import json
import pathlib
import re
import subprocess
import sys

RONDO = "build/bin/rondo"
TOKENS = "tests/data/smollm2/ppl_test_40x512.npy"
SEQ_LEN, WINDOWS = 512, 20  # as tools/quickstart.sh evaluates
PHASES = ["teacher", "initialise", "evaluate", "export", "in all"]


def seconds_text(seconds):
    return f"{seconds:.1f} s" if seconds < 59.95 else f"{int(seconds + 0.5) // 60}:{int(seconds + 0.5) % 60:02d}"


def read_summary(text):
    """(original perplexity, quantized perplexity, {phase: time}) from the words of `rondo quantize`."""
    perplexity = re.search(r"^\s*wikitext2\s+([\d.]+)\s+([\d.]+)$", text, re.M)
    if not perplexity:
        sys.exit("the first job's summary has no perplexity of wikitext2")
    times = re.findall(rf"^(?:time)?\s+(\S+(?: s)?)\s\s+({'|'.join(PHASES)})$", text, re.M)
    return float(perplexity[1]), float(perplexity[2]), {phase: time for time, phase in times}


def run_job(method, bits, out, options):
    """(quantized perplexity, {phase: time}) of a further job."""
    command = [RONDO, "quantize", "--json", "--method", method, "--bits", str(bits), *options,
               "--no-eval-original", "--out", str(out)]
    print(f"== {method} at {bits} bits", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}: {' '.join(command)}")
    job = json.loads(done.stdout.splitlines()[-1])
    times = {}
    for phase in job["phases"]:
        name = phase["phase"].removeprefix("PHASE_").lower()
        times[name] = max(times.get(name, 0.0), phase["seconds"])
    start, finish = (datetime.datetime.fromisoformat(job[key]) for key in ("start_time", "finish_time"))
    times["in all"] = (finish - start).total_seconds()
    perplexity = next(e["perplexity"] for e in job["evaluations"] if e["quantized"])
    return perplexity, {name: seconds_text(seconds) for name, seconds in times.items()}


def size_text(folder):
    return f"{sum(file.stat().st_size for file in folder.glob('*.safetensors')) / 1e6:.1f} MB"


def check_artifact(folder, perplexity):
    print(f"== transformers loads {folder}", flush=True)
    subprocess.run([sys.executable, "tools/check_artifact.py", "--model", str(folder), "--tokens", TOKENS,
                    "--seq-len", str(SEQ_LEN), "--windows", str(WINDOWS), "--expect", str(perplexity), "--tolerance", "0.005"],
                   check=True)


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("options", nargs="+")
    args = parser.parse_args()

    summary = args.first.read_text()
    original, gptq4, gptq4_times = read_summary(summary)
    first = args.folder / "smollm2-w4"
    check_artifact(first, gptq4)

    rows = [["", "perplexity", "size", *PHASES],
            ["original", f"{original:.3f}", size_text(args.folder / "smollm2"), *[""] * len(PHASES)]]

    def add(name, perplexity, folder, times):
        rows.append([name, f"{perplexity:.3f}", size_text(folder), *[times.get(p, "-") for p in PHASES]])

    for method, bits in [("rtn", 4), ("gptq", 4), ("rtn", 3), ("gptq", 3)]:
        if (method, bits) == ("gptq", 4):
            add("GPTQ W4", gptq4, first, gptq4_times)
            continue
        folder = args.folder / f"smollm2-{method}-w{bits}"
        perplexity, times = run_job(method, bits, folder, args.options)
        add(f"{method.upper()} W{bits}", perplexity, folder, times)

    print()
    print_table(rows)
    print("\n" + summary[summary.index("compressed-tensors model in"):], end="")


if __name__ == "__main__":
    main()
