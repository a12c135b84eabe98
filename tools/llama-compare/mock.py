"""Drives a worker library through its ABI with ctypes, for comparisons."""

import ctypes

Pointer = ctypes.c_void_p


class Mock:
    """One context and one model of a worker library."""

    def __init__(self, library, model):
        self.library = ctypes.CDLL(library)
        signatures = {
            "cuda_init": (Pointer, [ctypes.c_int, Pointer]),
            "cuda_destroy": (None, [Pointer]),
            "cuda_load_model": (Pointer, [Pointer, ctypes.c_char_p, Pointer, Pointer]),
            "cuda_unload_model": (None, [Pointer]),
            "cuda_inference_start": (
                Pointer,
                [Pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_float, ctypes.c_uint64, Pointer],
            ),
            "cuda_inference_next_token": (
                ctypes.c_bool,
                [Pointer, Pointer, ctypes.c_int, Pointer, Pointer],
            ),
            "cuda_inference_free": (None, [Pointer]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments
        self.code = ctypes.c_int(-1)
        self.context = self.library.cuda_init(0, ctypes.byref(self.code))
        used = ctypes.c_uint64()
        self.model = self.library.cuda_load_model(
            self.context, model.encode(), ctypes.byref(used), ctypes.byref(self.code)
        )
        if not self.model:
            raise RuntimeError(f"cuda_load_model gave code {self.code.value}")

    def generate(self, prompt, count):
        """Yields the text of up to `count` tokens at temperature 0."""
        job = self.library.cuda_inference_start(
            self.model, prompt.encode(), count, 0.0, 0, ctypes.byref(self.code)
        )
        if not job:
            raise RuntimeError(f"cuda_inference_start gave code {self.code.value}")
        buffer, index = ctypes.create_string_buffer(4096), ctypes.c_int()
        try:
            while self.library.cuda_inference_next_token(
                job, buffer, len(buffer), ctypes.byref(index), ctypes.byref(self.code)
            ):
                yield buffer.value.decode()
            if self.code.value != 0:
                raise RuntimeError(f"cuda_inference_next_token gave code {self.code.value}")
        finally:
            self.library.cuda_inference_free(job)

    def close(self):
        self.library.cuda_unload_model(self.model)
        self.library.cuda_destroy(self.context)
