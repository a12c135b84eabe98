#!/usr/bin/env python3
"""Texts and memory of a backend library on a GPU: agreement with the reference, determinism, leaks.

usage: texts.py agree LIBRARY REFERENCE MODEL...      texts of all prompts equal the reference's, byte for byte
       texts.py repeat LIBRARY MODEL ROUNDS           one text, again and again in one process; prints its hash
       texts.py leak LIBRARY MODEL ROUNDS             load, generate, give back; memory as cudaMemGetInfo has it
"""
import ctypes
import hashlib
import os
import sys

# Past the few tokens that share a weight in small prompts, and past a tile of them; the tiny models have no room for it.
LONG = "The quick brown fox jumps over the lazy dog. " * 12
PROMPTS = ["Hello", "Once upon a time", "The quick brown fox jumps over the lazy dog.", "你好，世界 👩‍👩‍👧", "1 2\n\n3"]


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(os.path.abspath(path))
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        code = ctypes.POINTER(number)
        for name, result, arguments in [
            ("cuda_init", pointer, [number, code]),
            ("cuda_destroy", None, [pointer]),
            ("cuda_load_model", pointer, [pointer, text, ctypes.POINTER(ctypes.c_uint64), code]),
            ("cuda_unload_model", None, [pointer]),
            ("cuda_inference_start", pointer, [pointer, text, number, ctypes.c_float, ctypes.c_uint64, code]),
            ("cuda_inference_next_token", ctypes.c_bool, [pointer, ctypes.c_char_p, number, code, code]),
            ("cuda_inference_free", None, [pointer]),
        ]:
            function = getattr(self.c, name)
            function.restype, function.argtypes = result, arguments
        self.code = number(-1)
        self.context = self.c.cuda_init(0, ctypes.byref(self.code))
        self.check(self.context, "cuda_init")

    def check(self, result, what):
        if not result:
            sys.exit(f"error: {what} failed with code {self.code.value}")
        return result

    def load(self, path):
        bytes_used = ctypes.c_uint64()
        model = self.c.cuda_load_model(self.context, os.fsencode(path), ctypes.byref(bytes_used), ctypes.byref(self.code))
        return self.check(model, f"loading {path}")

    def text(self, model, prompt, tokens=24, temperature=0.0, seed=0):
        job = self.c.cuda_inference_start(model, prompt.encode(), tokens, temperature, seed, ctypes.byref(self.code))
        self.check(job, "cuda_inference_start")
        buffer, index, pieces = ctypes.create_string_buffer(256), ctypes.c_int(), []
        while self.c.cuda_inference_next_token(job, buffer, 256, ctypes.byref(index), ctypes.byref(self.code)):
            pieces.append(buffer.value)
        if self.code.value != 0:
            sys.exit(f"error: a token failed with code {self.code.value}")
        self.c.cuda_inference_free(job)
        return b"|".join(pieces)


def agree(library, reference, models):
    one, other = Library(library), Library(reference)
    texts = bad = 0
    for path in models:
        mine, theirs = one.load(path), other.load(path)
        real = os.path.getsize(path) > 50_000_000
        for prompt in [*PROMPTS, LONG] if real else PROMPTS:
            for temperature, seed in [(0.0, 0), (0.7, 3), (1.5, 2**64 - 1)]:
                texts += 1
                if one.text(mine, prompt, 24, temperature, seed) != other.text(theirs, prompt, 24, temperature, seed):
                    bad += 1
                    print(f"differs: {os.path.basename(path)}, {prompt!r}, temperature {temperature}")
        one.c.cuda_unload_model(mine)
        other.c.cuda_unload_model(theirs)
    print(f"{texts - bad} of {texts} texts on {len(models)} models equal the reference's")
    return bad == 0


def repeat(library, model, rounds):
    one = Library(library)
    loaded = one.load(model)
    all_texts = {one.text(loaded, PROMPTS[1], 32, 0.8, 7) + one.text(loaded, PROMPTS[2], 32) for _ in range(rounds)}
    print(hashlib.sha256(b"".join(sorted(all_texts))).hexdigest()[:16], len(all_texts))
    return len(all_texts) == 1


def leak(library, model, rounds):
    one = Library(library)
    driver = ctypes.CDLL("libcuda.so.1")

    def free():
        left, total = ctypes.c_size_t(), ctypes.c_size_t()
        # The library's context is current in this thread.
        if driver.cuMemGetInfo_v2(ctypes.byref(left), ctypes.byref(total)) != 0:
            sys.exit("error: cuMemGetInfo failed")
        return left.value

    def work():
        loaded = one.load(model)
        one.text(loaded, PROMPTS[0], 4)
        one.c.cuda_unload_model(loaded)

    for _ in range(5):
        work()
    before = free()
    for _ in range(rounds):
        work()
    after = free()
    print(f"{rounds} rounds: {before - after} bytes of device memory less")
    return after >= before


def main():
    what, rest = sys.argv[1], sys.argv[2:]
    if what == "agree":
        good = agree(rest[0], rest[1], rest[2:])
    elif what == "repeat":
        good = repeat(rest[0], rest[1], int(rest[2]))
    elif what == "leak":
        good = leak(rest[0], rest[1], int(rest[2]))
    else:
        sys.exit(__doc__)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
