"""Compares a worker library with llama.cpp: tokens of prompts, greedy text, and speed.

    python3 compare.py --library libworker_mock.so --tokenize target/release/examples/tokenize \
        [--model model.gguf] [--tiny FOLDER] [--speed] [--out RESULTS.md]

A prompt "agrees" when all texts are equal. Where they part, the margin is the distance between the two largest
logits of llama.cpp at that token: below --tie it is a near tie, which rounding decides; above, a real divergence.
"Self" is a divergence
where llama.cpp parts from its own text, no later, when it runs the prompt token by token.
The exit status is 1 when there is a real divergence or a prompt is split differently.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import llama_cpp

from mock import Mock
from reference import Reference


def prompts():
    lines = (pathlib.Path(__file__).parent / "prompts.txt").read_text("utf-8").splitlines()
    names = {"\\n": "\n", "\\t": "\t", "\\u0301": "\u0301", "\\u0303": "\u0303", "\\u200b": "\u200b",
             "\\u00a0": "\u00a0", "\\u3000": "\u3000"}
    for line in lines:
        for name, character in names.items():
            line = line.replace(name, character)
        yield line


def mock_tokens(tool, model, texts):
    out = subprocess.run([tool, model], input="".join(text + "\0" for text in texts).encode(), stdout=subprocess.PIPE,
                         check=True)
    return [[int(word) for word in line.split()] for line in out.stdout.decode().splitlines()]


def first_difference(mock, reference):
    """(index, margin) of the first token whose text differs, or None.

    Tokens without text hide which token was chosen, so that the smallest margin of those just before counts too.
    """
    for index, (text, margin) in enumerate(reference):
        other = mock[index] if index < len(mock) else None
        if text != other:
            start = index
            while start > 0 and reference[start - 1][0] == "":
                start -= 1
            return index, min(margin for _, margin in reference[start : index + 1])
    return None


def compare(model, options, texts):
    """Rows of (prompt, tokens compared, outcome, margin); and whether prompts are split alike."""
    mock, reference = Mock(options.library, model), Reference(model, context=options.context)
    rows = []
    ours = mock_tokens(options.tokenize, model, texts)
    for text, tokens in zip(texts, ours, strict=True):
        count = min(options.tokens, options.context - len(tokens) - 1)
        expected = list(reference.generate(text, count))
        found = list(mock.generate(text, count))
        same_tokens = tokens == reference.tokenize(text)
        difference = first_difference(found, expected)
        if difference is None:
            rows.append((text, same_tokens, len(expected), "agrees", min(m for _, m in expected)))
        else:
            index, margin = difference
            outcome = "near tie" if margin < options.tie else "DIVERGES"
            if outcome == "DIVERGES":
                own = [text for text, _ in reference.generate(text, count, one_by_one=True) if text is not None]
                itself = first_difference(own, expected)
                if itself is not None and itself[0] <= index:
                    outcome = "self"
            rows.append((text, same_tokens, index, outcome, margin))
    mock.close()
    reference.close()
    return rows


def speed(model, options):
    """Tokens a second of decoding for 1 and 2 threads: (threads, ours, llama.cpp's), best of three, interleaved."""
    for threads in (1, 2):
        program = [sys.executable, __file__, "--library", options.library, "--model", model, "--decode"]
        rates = {"mock": [], "reference": []}
        for _ in range(3):
            for which, all_rates in rates.items():
                out = subprocess.run([*program, which, "--threads", str(threads)], stdout=subprocess.PIPE, check=True,
                                     env={**os.environ, "WORKER_MOCK_THREADS": str(threads)})
                all_rates.append(float(out.stdout))
        yield threads, max(rates["mock"]), max(rates["reference"])


def decode_rate(which, options):
    """Tokens a second over 128 tokens, the first (which runs the prompt) left out."""
    if which == "mock":
        source = Mock(options.library, options.model)
    else:
        source = Reference(options.model, threads=options.threads)
    stream = source.generate("Once upon a time, in a village by the sea,", 128)
    next(stream)
    start = time.perf_counter()
    count = sum(1 for _ in stream)
    return count / (time.perf_counter() - start)


def table(name, rows, details):
    outcomes = [outcome for *_, outcome, _ in rows]
    split = sum(same for _, same, *_ in rows)
    yield (f"| {name} | {len(rows)} | {split} | {outcomes.count('agrees')} | {outcomes.count('near tie')} "
           f"| {outcomes.count('self')} | {outcomes.count('DIVERGES')} |")
    for text, same, count, outcome, margin in rows:
        mark = "" if same else " (split differently)"
        details.append(f"| {name} | `{ascii(text)[1:-1][:48].replace('|', chr(92) + '|')}` | {count} | {outcome}{mark} "
                       f"| {margin:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--tokenize")
    parser.add_argument("--model")
    parser.add_argument("--tiny", help="folder for small random models of every type, made when absent")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--tie", type=float, default=0.1, help="margin in logits below which a choice is a near tie")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--decode", choices=["mock", "reference"], help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        print(decode_rate(options.decode, options))
        return 0
    lines = ["| model | prompts | split alike | agree | near tie | self | diverge |", "|---|---|---|---|---|---|---|"]
    details = ["| model | prompt | tokens equal | outcome | margin |", "|---|---|---|---|---|"]
    good = True
    texts = list(prompts())
    runs = [(options.model, options)] if options.model else []
    if options.tiny:
        from tiny_models import CONTEXT, write_all

        tiny = argparse.Namespace(**{**vars(options), "tokens": 48, "context": CONTEXT})
        runs += [(str(path), tiny) for path in write_all(options.tiny)]
    for model, run in runs:
        rows = compare(model, run, texts)
        lines += table(pathlib.Path(model).stem, rows, details)
        print(lines[-1], flush=True)
        good = good and all(same and outcome != "DIVERGES" for _, same, _, outcome, _ in rows)
    report = [f"# {sum(1 for _ in runs)} models against llama.cpp", "", f"llama-cpp-python {llama_cpp.__version__}, "
              f"{len(texts)} prompts, up to {options.tokens} tokens each (48 on the small models), near tie below "
              f"{options.tie} logits. \"Self\": llama.cpp parts from its own text there when it runs the prompt token by "
              "token.", "", *lines, ""]
    if options.speed:
        report += ["| threads | mock tokens/s | llama.cpp tokens/s | ratio |", "|---|---|---|---|"]
        for threads, ours, theirs in speed(options.model, options):
            report.append(f"| {threads} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |")
        report.append("")
    report += ["<details><summary>Every prompt</summary>", "", *details, "", "</details>", ""]
    print("\n".join(report))
    if options.out:
        pathlib.Path(options.out).write_text("\n".join(report), "utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
