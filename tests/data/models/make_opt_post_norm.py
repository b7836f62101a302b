#!/usr/bin/env python3
"""Writes opt-post-norm/: OPT of the 350M model's kind (norms after the sums, embeddings narrower than
the hidden states, saved as the bare decoder) with random weights, and golden values of transformers."""
import json
import pathlib

import numpy
import torch
from transformers import OPTConfig, OPTForCausalLM

OUT = pathlib.Path(__file__).parent / "opt-post-norm"
FIELDS = {"activation_function": "relu", "bos_token_id": 2, "do_layer_norm_before": False,
          "eos_token_id": 2, "ffn_dim": 96, "hidden_size": 48, "max_position_embeddings": 32,
          "num_attention_heads": 3, "num_hidden_layers": 2, "pad_token_id": 1, "vocab_size": 300,
          "word_embed_proj_dim": 32}


def main():
    torch.manual_seed(350)
    model = OPTForCausalLM(OPTConfig(**FIELDS, attn_implementation="eager")).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            scale = 0.2 if tensor.dim() == 2 else 0.1
            one = name.endswith("norm.weight")
            tensor.copy_((torch.randn_like(tensor) * scale + one).half())
        golden = OUT / "golden"
        golden.mkdir(parents=True, exist_ok=True)
        tokens = torch.randint(4, 300, (2, 24))
        logits = model(tokens).logits
        nll = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:],
                                                reduction="none")
    numpy.save(golden / "tokens.npy", tokens.numpy())
    numpy.save(golden / "logits_0.npy", logits[0].numpy())
    numpy.save(golden / "nll_per_token.npy", nll.numpy())
    model.half().model.save_pretrained(OUT)
    (OUT / "config.json").rename(golden / "config.transformers5.json")
    config = {**FIELDS, "architectures": ["OPTForCausalLM"], "model_type": "opt",
              "torch_dtype": "float16"}
    (OUT / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
