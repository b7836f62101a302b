#!/usr/bin/env python3
"""Compares our tokenizers with Hugging Face's on random texts: ids with special tokens, and the text
that they decode to. The same texts in every run with the same --seed."""
import argparse
import json
import random
import subprocess
import sys
import unicodedata

import tokenizers

MODELS = ["llama-tiny", "opt-tiny", "qwen3-tiny"]
# Characters that were the same in every version of Unicode since 3.2, in groups that meet in texts.
KNOWN = [chr(c) for c in range(0x110000)
         if (category := unicodedata.ucd_3_2_0.category(chr(c))) not in ("Cn", "Cs", "Co")
         and category == unicodedata.category(chr(c))]
ASCII = [c for c in KNOWN if ord(c) < 0x80]
SPACES = [c for c in KNOWN if c.isspace()]
MARKS = [c for c in KNOWN if unicodedata.combining(c)]
DIGITS = [c for c in KNOWN if unicodedata.category(c).startswith("N")]
WORDS = ["the", " and", "'s", "'LL", " don't", "12345", "\r\n", "<s>", "</s>", "<|im_start|>", "▁", "  ",
         "e\u0301", "\u1100\u1161\u11a8", "가", "é", "ﬁ", "😀", "👩‍👧", "\ufeff", "\u200b", "\0", "<0x0A>"]


def random_text(rng):
    groups = rng.sample([KNOWN, ASCII, ASCII, SPACES, MARKS, DIGITS, WORDS, WORDS], 3)
    return "".join(rng.choice(rng.choice(groups)) for _ in range(rng.randrange(1, 60)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--texts", type=int, default=4000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    texts = [random_text(rng) for _ in range(options.texts)]
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    failed = 0
    for model in MODELS:
        folder = f"tests/data/models/{model}"
        done = subprocess.run([f"{options.bin_dir}/rondo-encode-lines", folder], check=True,
                              input=lines, stdout=subprocess.PIPE, text=True)
        ours = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
        assert len(ours) == len(texts)
        theirs = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        wrong = 0
        for text, own in zip(texts, ours):
            ids = theirs.encode(text).ids
            decoded = theirs.decode(ids, skip_special_tokens=False)
            if own["ids"] == ids and own["decoded"] == decoded:
                continue
            wrong += 1
            if wrong <= 5:
                print(f"{model} {ascii(text)}\n  ours   {own}\n  theirs {ids} {decoded!a}")
        print(f"{model}: {len(texts)} texts, {wrong} differ", flush=True)
        failed += wrong
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
