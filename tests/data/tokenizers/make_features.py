#!/usr/bin/env python3
"""Writes features.json: small tokenizers, one a feature, with what the tokenizers library makes of texts.

Usage: make_features.py > features.json     (tokenizers 0.23.3)
"""

import json
import sys

from tokenizers import Tokenizer

GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
TEXTS = [
    "", " ", "  ", "\n", "a b", "abc cab  bca", " abc", "abc ", "abcabcabc", "a1b22c333", "a\u0663b",
    "don't DON'T we'll", "a\u00a0b\u2028c\u180ed\u0085e", "e\u0301 \u00e9 \u1e9b\u0323 \uac00 \u1100\u1161",
    "<x>", "a<x>b", "a <x> b", "a  <x>  b", "<x><x>", "<x> <x>", "a<xy>b", "<x", "_<x>", "\u0301<x>a",
    "[Y]", "a[Y]b", "a [Y] b", "a\u00e9[Y]", "x [Y][Y] x", "\u4f60\u597d", "\U0001f600a\U0001f600", "zzz a zz",
    "a,b,,c,", ",,a", "\t a \t", "<0x0A>", "e\u0301<n\u00e9>", "<ne\u0301> a", "\u017fs '\u017f",
]


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(0x100 + i) for i in range(len(rest))]


def bpe(tokens, merges, **settings):
    tokens = list(dict.fromkeys(tokens + ["".join(m) for m in merges]))
    return {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens)},
            "merges": [list(m) for m in merges], **settings}


MERGES = [("a", "b"), ("ab", "c"), ("c", "a"), ("\u0120", "a"), ("\u0120", "abc"), ("b", "c"), ("a", "bc"),
          ("\u0120", "\u0120"), ("\u00c3", "\u00a9"), ("1", "2"), ("2", "2")]
BYTES = bpe(byte_alphabet(), MERGES)
WHOLE = bpe(byte_alphabet(), MERGES, ignore_merges=True)
WHOLE["vocab"]["cab"] = len(WHOLE["vocab"])
PIECES = [chr(c) for c in range(0x21, 0x7F)] + ["\u2581", "\u00e9"]
SPM_MERGES = [("\u2581", "a"), ("a", "b"), ("\u2581a", "b"), ("b", "c"), ("\u2581", "\u2581")]
UNKNOWN = ["<unk>"]
FALLBACK = [f"<0x{b:02X}>" for b in range(256)]


def added(token, content="<x>", **flags):
    return {"id": token, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True, **flags}


def split(pattern, behavior, invert=False):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}


def feature(name, **parts):
    base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": GPT2, "post_processor": None, "decoder": GPT2, "model": BYTES}
    return name, {**base, **parts}


def features():
    n = len(BYTES["vocab"])
    flags = {"lstrip": {"lstrip": True}, "rstrip": {"rstrip": True}, "single_word": {"single_word": True},
             "all": {"lstrip": True, "rstrip": True, "single_word": True},
             "normalized": {"normalized": True, "special": False}}
    for name, flag in flags.items():
        tokens = [added(n, **flag), added(n + 1, "<xy>", **flag), added(n + 2, "[Y]", **flag),
                  added(n + 3, "<n\u00e9>", **flag)]
        yield feature(f"added token, {name}", added_tokens=tokens)
        yield feature(f"added token, {name}, NFC", added_tokens=tokens, normalizer={"type": "NFC"})
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            for pattern in [{"String": ","}, {"Regex": "\\s|[,b]"}]:
                yield feature(f"Split {pattern} {behavior} {invert}",
                              pre_tokenizer=split(pattern, behavior, invert))
    for individual in [False, True]:
        digits = {"type": "Digits", "individual_digits": individual}
        yield feature(f"Digits {individual}",
                      pre_tokenizer={"type": "Sequence", "pretokenizers": [digits, GPT2]})
    yield feature("prefix space", pre_tokenizer={**GPT2, "add_prefix_space": True})
    yield feature("ignore_merges", model=WHOLE)
    yield feature("RobertaProcessing", post_processor={
        "type": "RobertaProcessing", "sep": ["b", 66], "cls": ["a", 65], "trim_offsets": True,
        "add_prefix_space": True})
    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "b", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"a": {"id": "a", "ids": [65, 67], "tokens": ["a", "c"]},
                                   "b": {"id": "b", "ids": [66], "tokens": ["b"]}}}
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    yield feature("Sequence of post-processors",
                  post_processor={"type": "Sequence", "processors": [level, template]})
    spm = {"normalizer": {"type": "Sequence", "normalizers": [
               {"type": "Prepend", "prepend": "\u2581"},
               {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
           "pre_tokenizer": None,
           "decoder": {"type": "Sequence", "decoders": [
               {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
               {"type": "ByteFallback"}, {"type": "Fuse"},
               {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}}
    for fuse in [False, True]:
        yield feature(f"unknown, fused {fuse}", **spm, model=bpe(
            UNKNOWN + PIECES, SPM_MERGES, unk_token="<unk>", fuse_unk=fuse))
        yield feature(f"some bytes, fused {fuse}", **spm, model=bpe(
            UNKNOWN + FALLBACK[:0xE5] + PIECES, SPM_MERGES, unk_token="<unk>", fuse_unk=fuse, byte_fallback=True))
    yield feature("no unknown", **spm, model=bpe(PIECES, SPM_MERGES))
    yield feature("byte fallback", **spm, model=bpe(FALLBACK + PIECES, SPM_MERGES, byte_fallback=True),
                  added_tokens=[added(len(FALLBACK + PIECES) + 5)])
    for start, stop in [(2, 0), (0, 1)]:  # the library panics where one token is stripped from both ends
        yield feature(f"Strip {start} {stop}, no Fuse",
                      **{**spm, "decoder": {"type": "Strip", "content": "a", "start": start, "stop": stop}},
                      model=bpe(UNKNOWN + PIECES, SPM_MERGES, unk_token="<unk>"))
    yield feature("no decoder", decoder=None)


def main():
    out = []
    for name, file in features():
        tokenizer = Tokenizer.from_str(json.dumps(file))
        cases = []
        for text in TEXTS:
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            cases.append({"text": text, "ids": tokenizer.encode(text).ids, "ids_no_special": plain,
                          "decoded": tokenizer.decode(plain, skip_special_tokens=False)})
        out.append({"name": name, "tokenizer": file, "cases": cases})
    sys.stdout.write("[" + ",\n".join(json.dumps(o, separators=(",", ":")) for o in out) + "]\n")


if __name__ == "__main__":
    main()
