"""Greedy generation by llama.cpp, with the margin of every choice."""

import codecs
import ctypes

import llama_cpp
import numpy as np


class Reference:
    """One model in llama.cpp."""

    def __init__(self, model, threads=1, context=2048):
        self.llama = llama_cpp.Llama(
            model, n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False
        )
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.llama.model)
        self.size = self.llama.n_vocab()

    def tokenize(self, prompt):
        ids = self.llama.tokenize(prompt.encode(), add_bos=True, special=True)
        return ids or [llama_cpp.llama_vocab_bos(self.vocabulary)]

    def _logits(self):
        pointer = llama_cpp.llama_get_logits_ith(self.llama.ctx, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.size,))

    def _piece(self, token):
        buffer = ctypes.create_string_buffer(512)
        length = llama_cpp.llama_token_to_piece(self.vocabulary, token, buffer, 512, 0, False)
        return buffer.raw[:length] if length > 0 else b""

    def generate(self, prompt, count, one_by_one=False):
        """Yields (text or None at the end, margin of the choice in logits) of up to `count` tokens.

        With `one_by_one` the prompt is run token by token, which sums in another order.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self.llama.reset()
        pending = self.tokenize(prompt)
        if one_by_one:
            for token in pending[:-1]:
                self.llama.eval([token])
            pending = pending[-1:]
        for _ in range(count):
            self.llama.eval(pending)
            logits = self._logits()
            token = int(np.argmax(logits))
            second, first = np.partition(logits, -2)[-2:]
            margin = float(first - second)
            if llama_cpp.llama_vocab_is_eog(self.vocabulary, token):
                yield None, margin
                return
            yield decoder.decode(self._piece(token)).replace("\0", ""), margin
            pending = [token]

    def close(self):
        self.llama.close()
