"""Loads an exported folder with transformers on the CPU and measures its perplexity in float32.

The tokens are cut into windows that do not overlap, each of which predicts seq_len - 1 tokens; the
perplexity is exp of the mean over all predictions. Prints one line of JSON; exits with 1 when the
perplexity is further from --expect than --tolerance (a share of it).
"""

import argparse
import json
import math
import pathlib
import sys

import numpy
import torch
import transformers
from transformers.utils.quantization_config import CompressedTensorsConfig


def load_model(folder):
    config = json.loads((folder / "config.json").read_text())
    groups = config.get("quantization_config", {}).get("config_groups", {})
    # Weights are restored once, in their own dtype, and only then widened: what is measured is what
    # the file holds. Asymmetric grids do not load in any other way, several grids only in another
    # (docs/formats.md).
    options = {"dtype": "auto"}
    if len(groups) == 1:
        options["quantization_config"] = CompressedTensorsConfig(dequantize=True)
    elif groups:
        options["dtype"] = torch.float32
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, **options
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise SystemExit(f"{folder}: {kind}: {sorted(map(str, info[kind]))[:4]}")
    return (model if len(groups) > 1 else model.float()).eval()


def read_tokens(args):
    if args.tokens:
        return torch.from_numpy(numpy.load(args.tokens).reshape(-1).astype(numpy.int64))
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    text = args.text.read_text(encoding="utf-8")
    return torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])


@torch.inference_mode()
def perplexity(model, windows):
    total = 0.0
    for window in windows:
        logits = model(window.unsqueeze(0)).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, window[1:], reduction="none")
        total += losses.double().sum().item()
    return math.exp(total / (windows.shape[0] * (windows.shape[1] - 1)))


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the exported folder")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokens", type=pathlib.Path, help="token ids, .npy")
    source.add_argument("--text", type=pathlib.Path, help="UTF-8 text; the folder's tokenizer reads it")
    parser.add_argument("--seq-len", type=int, required=True, help="tokens a window")
    parser.add_argument("--windows", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument("--expect", type=float, help="the perplexity that it should have")
    parser.add_argument("--tolerance", type=float, default=0.005, help="relative")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokens = read_tokens(args)
    count = tokens.numel() // args.seq_len
    if args.windows:
        if count < args.windows:
            raise SystemExit(f"{tokens.numel()} tokens make {count} windows, not {args.windows}")
        count = args.windows
    if count == 0:
        raise SystemExit(f"{tokens.numel()} tokens do not fill a window of {args.seq_len}")
    windows = tokens[: count * args.seq_len].view(count, args.seq_len)
    value = perplexity(load_model(args.model), windows)
    result = {"model": str(args.model), "perplexity": value, "tokens": count * (args.seq_len - 1)}
    if args.expect is not None:
        result["expected"] = args.expect
        result["ok"] = abs(value - args.expect) <= args.tolerance * args.expect
    print(json.dumps(result))
    return 0 if result.get("ok", True) else 1


if __name__ == "__main__":
    sys.exit(main())
