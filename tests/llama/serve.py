"""A real llama.cpp server with a tiny random model, made here: no weights are downloaded.

`uv run --isolated --only-group llama python tests/llama/serve.py FOLDER` prints its address and
serves until its input ends. The model knows nothing, but what llama.cpp does with it is real: the
grammar made of a JSON schema, the sampling, the token counts and the cache of prompts.
"""

import string
import sys
from pathlib import Path

import numpy as np
import xllamacpp
from gguf import GGUFWriter, TokenType

EMBEDDING, HEADS, HIDDEN, CONTEXT = 64, 2, 64, 16_384
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CHARACTERS = [*string.ascii_letters, *string.digits, *"▁\"{}[]:,.-_<>/?!'&;=+*()#|\\"]
TOKENS = [*SPECIAL, *BYTES, *CHARACTERS]
LIKES = {"</s>": 6.0, '"': 2.5, "}": 3.0, "]": 3.0, ",": 2.0, "▁": -2.0, "\\": -4.0}
"""What it says more often than other characters, so that texts and numbers end soon."""
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


def write(path: Path) -> None:
    """Write a model of one layer: random, but for how much it likes each character."""
    chance = np.random.default_rng(12)

    def weights(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.2, shape).astype(np.float32)

    embedding, output = weights(len(TOKENS), EMBEDDING), weights(len(TOKENS), EMBEDDING)
    embedding[:, 0] = 4.0  # the same for each token: what it meets in `output` is a liking
    dislikes = [-8.0 if token in BYTES else 0.0 for token in TOKENS]
    output[:, 0] = [LIKES.get(token, no) for token, no in zip(TOKENS, dislikes, strict=True)]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    kinds += [TokenType.BYTE] * len(BYTES) + [TokenType.NORMAL] * len(CHARACTERS)
    model = GGUFWriter(path, "llama")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(EMBEDDING)
    model.add_block_count(1)
    model.add_feed_forward_length(HIDDEN)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_vocab_size(len(TOKENS))
    model.add_tokenizer_model("llama")
    model.add_token_list(TOKENS)
    model.add_token_scores([0.0] * len(TOKENS))
    model.add_token_types(kinds)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_chat_template(TEMPLATE)
    model.add_tensor("token_embd.weight", embedding)
    model.add_tensor("output.weight", output)
    model.add_tensor("output_norm.weight", np.ones(EMBEDDING, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        model.add_tensor(f"blk.0.{name}.weight", np.ones(EMBEDDING, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        model.add_tensor(f"blk.0.{name}.weight", weights(EMBEDDING, EMBEDDING))
    for name in ("ffn_gate", "ffn_up"):
        model.add_tensor(f"blk.0.{name}.weight", weights(HIDDEN, EMBEDDING))
    model.add_tensor("blk.0.ffn_down.weight", weights(EMBEDDING, HIDDEN))
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


def serve(path: Path) -> xllamacpp.Server:
    """Start the server at a free port; it lives as long as the object."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx = CONTEXT
    settings.n_predict = 400  # of a reply: a longer one is cut
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1
    settings.port = 0
    return xllamacpp.Server(settings)


if __name__ == "__main__":
    model = Path(sys.argv[1], "tiny.gguf")
    write(model)
    server = serve(model)
    print(server.listening_address, flush=True)
    sys.stdin.read()
