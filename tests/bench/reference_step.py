#!/usr/bin/env python3
"""Times a training step of VQRound done densely, the way the paper's code does it (arXiv 2602.02151; docs/algorithms.md 5).

Usage: reference_step.py --model DIR --tokens 256 [--threads 1 --steps 5 --bits 3 --dtype float32]

For every linear layer: whole base codes in int16, block codes in int16 (int64 where they index), a dense alpha gathered from the
codebook, a dense h and a dense weight in every forward pass; a dense regulariser over all weights through autograd; the teacher's
log-probabilities over the whole vocabulary in float16; checkpointing of decoder layers; torch's Adam. Codes are random, as the
time of a step does not depend on them. bfloat16 is autocast. The last line is JSON, in the fields of rondo_train_bench.
"""
import argparse
import json
import os
import resource
import statistics
import tempfile
import time

DIM, CODES, LOW, HIGH, TEMPERATURE = 8, 4096, -0.1, 1.1, 2.0
WINDOWS, WARM_UP = 2, 2

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--tokens", type=int, default=256)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--bits", type=int, default=3)
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402  (after the number of threads is set)
from transformers import AutoModelForCausalLM  # noqa: E402


def rectified_sigmoid(alpha):
    return torch.clamp(torch.sigmoid(alpha) * (HIGH - LOW) + LOW, 0, 1)


class RoundedLinear(torch.nn.Module):
    """scale * (clamp(base + h(alpha) + zero, 0, maxq) - zero), alpha made of codebook rows."""

    def __init__(self, linear, bits):
        super().__init__()
        weight = linear.weight.data.float()
        self.maxq, self.bias = 2 ** bits - 1, linear.bias
        low, high = weight.amin(1, True).clamp(max=0), weight.amax(1, True).clamp(min=0)
        scale = ((high - low) / self.maxq).clamp(min=1e-8)
        self.register_buffer("scale", scale.half())
        self.register_buffer("zero", torch.round(-low / scale).half())
        self.register_buffer("base", torch.floor(weight / scale).to(torch.int16))
        blocks = -(-weight.numel() // DIM)
        codes = min(CODES, blocks)
        self.register_buffer("codes", torch.randint(0, codes, (blocks,), dtype=torch.int16))
        rest = torch.rand(codes, DIM)
        self.codebook = torch.nn.Parameter(-torch.log((HIGH - LOW) / (rest - LOW) - 1))

    def h(self):
        alpha = torch.nn.functional.embedding(self.codes.long(), self.codebook)
        return rectified_sigmoid(alpha.reshape(-1)[:self.base.numel()].view(self.base.shape))

    def forward(self, x):
        zero, scale = self.zero.float(), self.scale.float()
        weight = scale * (torch.clamp(self.base.float() + self.h() + zero, 0, self.maxq) - zero)
        return torch.nn.functional.linear(x, weight, self.bias)

    def regulariser(self, beta):
        return (1 - (2 * self.h() - 1).abs().pow(beta)).sum()


def cache_teacher(model, windows, folder):
    """Files of log-probabilities, one a window; returns their bytes."""
    with torch.no_grad():
        for i, window in enumerate(windows):
            log_p = torch.log_softmax(model(window[None]).logits.float() / TEMPERATURE, -1)
            torch.save(log_p.half(), f"{folder}/{i}.pt")
    return sum(os.path.getsize(f"{folder}/{i}.pt") for i in range(len(windows)))


def make_student(model, bits):
    """Replaces the linears of the decoder layers; returns what replaced them."""
    rounded = []
    for name, parent in list(model.named_modules()):
        for child, linear in list(parent.named_children()):
            if not isinstance(linear, torch.nn.Linear) or linear is model.get_output_embeddings():
                continue
            layer = RoundedLinear(linear, bits)
            setattr(parent, child, layer)
            rounded.append(layer)
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return rounded


def step(model, rounded, window, log_p, optimizer, beta):
    """Returns the divergence a token and the regulariser."""
    with torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bfloat16"):
        logits = model(window[None], use_cache=False).logits
    log_q = torch.log_softmax(logits.float() / TEMPERATURE, -1)
    divergence = torch.nn.functional.kl_div(log_q, log_p.float(), reduction="batchmean", log_target=True)
    divergence = divergence * TEMPERATURE ** 2
    regulariser = sum(layer.regulariser(beta) for layer in rounded)
    optimizer.zero_grad()
    (divergence + 0.01 * regulariser).backward()
    optimizer.step()
    return divergence.item() / len(window), regulariser.item()


def main():
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    model.requires_grad_(False)
    windows = torch.randint(0, model.config.vocab_size, (WINDOWS, options.tokens))
    seconds, cpu_seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        cache_bytes = cache_teacher(model, windows, folder) / windows.numel()
        rounded = make_student(model, options.bits)
        optimizer = torch.optim.Adam([layer.codebook for layer in rounded], lr=1e-2, betas=(0.9, 0.99))
        for i in range(options.steps):
            begin, cpu_begin = time.perf_counter(), time.process_time()
            log_p = torch.load(f"{folder}/{i % WINDOWS}.pt")
            beta = 20 - 18 * i / options.steps
            divergence, regulariser = step(model, rounded, windows[i % WINDOWS], log_p, optimizer, beta)
            seconds.append(time.perf_counter() - begin)
            cpu_seconds.append(time.process_time() - cpu_begin)
            print(f"step {i}: {seconds[-1]:.3f} s, divergence a token {divergence:.4f}, "
                  f"regulariser {regulariser:.4g}", flush=True)
    median = statistics.median(seconds[WARM_UP:])
    print(json.dumps({
        "program": "reference_step.py", "tokens": options.tokens, "threads": options.threads,
        "dtype": options.dtype, "seconds": median, "cpu_seconds": statistics.median(cpu_seconds[WARM_UP:]),
        "tokens_per_second": options.tokens / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cache_bytes_per_token": cache_bytes,
        "loss": divergence + 0.01 * regulariser / options.tokens}))


if __name__ == "__main__":
    main()
