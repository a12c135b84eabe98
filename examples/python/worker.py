"""A backend of the worker FFI contract, from Python: the 14 functions through ctypes, and handles that end by themselves.

    with Backend("./libmy_backend.so") as backend, backend.context(0) as context:
        with context.model("model.gguf") as model:
            for text in model.generate("Once upon a time", max_tokens=24):
                print(text, end="", flush=True)

Needs nothing but the standard library. One call at a time on a context, its models and its jobs: ctypes releases the
interpreter's lock during a call, so that threads of yours must keep to that themselves.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_float, c_int, c_uint64, c_void_p

# Name, result, parameters: as contract/include/worker_ffi.h has them. Without `restype` a handle would be cut to 32 bits.
FUNCTIONS = {
    "cuda_init": (c_void_p, [c_int, POINTER(c_int)]),
    "cuda_destroy": (None, [c_void_p]),
    "cuda_get_device_count": (c_int, []),
    "cuda_load_model": (c_void_p, [c_void_p, c_char_p, POINTER(c_uint64), POINTER(c_int)]),
    "cuda_unload_model": (None, [c_void_p]),
    "cuda_model_get_vram_usage": (c_uint64, [c_void_p]),
    "cuda_inference_start": (c_void_p, [c_void_p, c_char_p, c_int, c_float, c_uint64, POINTER(c_int)]),
    "cuda_inference_next_token": (c_bool, [c_void_p, POINTER(c_char), c_int, POINTER(c_int), POINTER(c_int)]),
    "cuda_inference_free": (None, [c_void_p]),
    "cuda_check_vram_residency": (c_bool, [c_void_p, POINTER(c_int)]),
    "cuda_get_vram_usage": (c_uint64, [c_void_p]),
    "cuda_get_process_vram_usage": (c_uint64, [c_void_p]),
    "cuda_check_device_health": (c_bool, [c_void_p, POINTER(c_int)]),
    "cuda_error_message": (c_char_p, [c_int]),
}


class WorkerError(Exception):
    """A call failed; `code` is the contract's."""

    def __init__(self, call, code, message):
        super().__init__(f"{call}: {message} (code {code})")
        self.call, self.code = call, code


class Handle:
    """Something that the library made and that ends once."""

    def __init__(self, backend, pointer, end):
        self.backend, self.pointer, self._end = backend, pointer, end

    def close(self):
        if self.pointer:
            self._end(self.pointer)
            self.pointer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Backend:
    """A library."""

    def __init__(self, path):
        # RTLD_LOCAL: what the library links is not ours. An absolute path: a bare name would be searched for.
        self.library = ctypes.CDLL(os.path.abspath(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        for name, (result, parameters) in FUNCTIONS.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, parameters

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def device_count(self):
        return self.library.cuda_get_device_count()

    def check(self, call, failed, code):
        if failed:
            message = self.library.cuda_error_message(code.value)
            raise WorkerError(call, code.value, message.decode())

    def context(self, device=0):
        code = c_int()
        pointer = self.library.cuda_init(device, byref(code))
        self.check("cuda_init", not pointer, code)
        return Context(self, pointer, self.library.cuda_destroy)


class Context(Handle):
    """One use of one device."""

    def model(self, path):
        code, usage = c_int(), c_uint64()
        load = self.backend.library.cuda_load_model
        pointer = load(self.pointer, os.fsencode(path), byref(usage), byref(code))
        self.backend.check("cuda_load_model", not pointer, code)
        return Model(self.backend, pointer, self.backend.library.cuda_unload_model)

    def vram_usage(self):
        return self.backend.library.cuda_get_process_vram_usage(self.pointer)


class Model(Handle):
    """A model in device memory."""

    def vram_usage(self):
        return self.backend.library.cuda_get_vram_usage(self.pointer)

    def generate(self, prompt, max_tokens=64, temperature=0.0, seed=0):
        """Gives the text of each token; leaving the loop early ends the job too."""
        code = c_int()
        library = self.backend.library
        start = library.cuda_inference_start
        pointer = start(self.pointer, prompt.encode(), max_tokens, temperature, seed, byref(code))
        self.backend.check("cuda_inference_start", not pointer, code)
        buffer = ctypes.create_string_buffer(256)
        try:
            while library.cuda_inference_next_token(pointer, buffer, len(buffer), None, byref(code)):
                yield buffer.value.decode()  # whole characters: the library holds back what is not complete
            # False with code 0 is the end of the text.
            self.backend.check("cuda_inference_next_token", code.value != 0, code)
        finally:
            library.cuda_inference_free(pointer)
