#!/usr/bin/env python3
"""Streams text from any backend: generate.py LIBRARY MODEL PROMPT [MAX_TOKENS]."""

import sys

from worker import Backend, WorkerError


def main(arguments):
    if len(arguments) not in (3, 4):
        sys.exit(__doc__)
    library, model_path, prompt = arguments[:3]
    try:
        max_tokens = int(arguments[3]) if len(arguments) == 4 else 64
    except ValueError:
        sys.exit(f"error: MAX_TOKENS must be a number, not {arguments[3]!r}")
    try:
        with Backend(library) as backend, backend.context(0) as context, context.model(model_path) as model:
            print(f"{backend.device_count()} device(s), {model.vram_usage()} bytes of VRAM", file=sys.stderr)
            for text in model.generate(prompt, max_tokens):
                print(text, end="", flush=True)
        print()
    except (OSError, WorkerError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
