"""Writes small random models of both architectures and every tensor type, quantised by llama.cpp."""

import pathlib
import sys

import gguf
import llama_cpp
import numpy as np

WIDTH, FEED_FORWARD, LAYERS, HEADS, CONTEXT = 256, 512, 2, 4, 128
TYPES = {  # llama.cpp's file type, and the type of single tensors, in their own numbering
    "F32": (0, 0),
    "F16": (1, 1),
    "Q4_0": (2, 2),
    "Q4_1": (3, 3),
    "Q8_0": (7, 8),
    "Q5_0": (8, 6),
    "Q5_1": (9, 7),
    "Q4_K": (14, 12),
    "Q5_K": (16, 13),
    "Q6_K": (18, 14),
    "BF16": (32, 30),
}


def byte_characters():
    """The printable character of each byte in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)]


def byte_level_vocabulary(writer, pre):
    tokens = byte_characters()
    merges = ["Ġ t", "h e", "Ġt he", "i n", "a n", "e r", "o u", "ã ģ", "ð Ł", "1 2", "Ġ Ġ"]
    tokens += ["".join(merge.split()) for merge in merges] + ["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    return len(tokens)


def sentence_piece_vocabulary(writer):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [2, 3, 3] + [6] * 256
    words = ["▁", "a", "b", "c", "d", "e", "f", "g", "h", "i", "l", "m", "n", "o", "p", "r", "s", "t", "u", "y", "▁t", "he",
             "▁the", "in", "an", "er", "▁▁", "▁a", "日", "本", "日本", "ou", "▁s", "is", "▁is", "at", "ap", "it", "al"]
    scores = [0.0] * len(tokens) + [-float(1 + (7 * i) % 40) for i in range(len(words))]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens + words)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds + [1] * len(words))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens) + len(words)


def write(path, architecture, vocabulary, seed):
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    size = vocabulary(writer)

    def add(name, shape, scale=None):
        scale = scale or 1.6 / np.sqrt(shape[-1])
        writer.add_tensor(name, (random.standard_normal(shape) * scale).astype(np.float32))

    def norm(name):
        writer.add_tensor(name + ".weight", random.uniform(0.7, 1.3, WIDTH).astype(np.float32))

    add("token_embd.weight", (size, WIDTH), 1.0)
    norm("output_norm")
    if architecture == "llama":
        kv = WIDTH // 2
        writer.add_head_count_kv(HEADS // 2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(WIDTH // HEADS)
        add("output.weight", (size, WIDTH), 0.3)
        shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (kv, WIDTH), "attn_v": (kv, WIDTH), "attn_output": (WIDTH, WIDTH),
                  "ffn_gate": (FEED_FORWARD, WIDTH), "ffn_up": (FEED_FORWARD, WIDTH), "ffn_down": (WIDTH, FEED_FORWARD)}
    else:
        writer.add_layer_norm_eps(1e-5)
        add("output.weight", (size, WIDTH), 0.3)
        add("position_embd.weight", (CONTEXT, WIDTH), 0.5)
        add("output_norm.bias", (WIDTH,), 0.1)
        shapes = {"attn_qkv": (3 * WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH),
                  "ffn_up": (FEED_FORWARD, WIDTH), "ffn_down": (WIDTH, FEED_FORWARD)}
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            norm(f"blk.{layer}.{name}")
            if architecture == "gpt2":
                add(f"blk.{layer}.{name}.bias", (WIDTH,), 0.1)
        for name, shape in shapes.items():
            add(f"blk.{layer}.{name}.weight", shape)
            if architecture == "gpt2":
                add(f"blk.{layer}.{name}.bias", shape[:1], 0.1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantise(source, target, file_type, tensor_type):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = file_type
    parameters.pure = True
    parameters.output_tensor_type = tensor_type
    parameters.token_embedding_type = tensor_type
    parameters.nthread = 1
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters) != 0:
        raise RuntimeError(f"cannot quantise to {target}")


def write_all(folder):
    """Writes the models to `folder` and returns their paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocabularies = {
        ("llama", "gpt-2"): lambda writer: byte_level_vocabulary(writer, "gpt-2"),
        ("llama", "spm"): sentence_piece_vocabulary,
        ("gpt2", "gpt-2"): lambda writer: byte_level_vocabulary(writer, "gpt-2"),
        ("llama", "llama-bpe"): lambda writer: byte_level_vocabulary(writer, "llama-bpe"),
        ("llama", "qwen2"): lambda writer: byte_level_vocabulary(writer, "qwen2"),
    }
    paths = []
    for seed, ((architecture, kind), vocabulary) in enumerate(vocabularies.items()):
        base = folder / f"{architecture}-{kind}-F32.gguf"
        write(base, architecture, vocabulary, seed)
        paths.append(base)
        if kind == "gpt-2":
            for name, (file_type, tensor_type) in TYPES.items():
                if name != "F32":
                    target = folder / f"{architecture}-{kind}-{name}.gguf"
                    quantise(base, target, file_type, tensor_type)
                    paths.append(target)
    return paths


if __name__ == "__main__":
    print("\n".join(map(str, write_all(sys.argv[1]))))
