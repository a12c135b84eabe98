#!/usr/bin/env python3
"""The table of speeds from what `speed`, `bandwidth` and `llama_speed` wrote; also writes speed.json beside them.

usage: table.py FOLDER
"""
import json
import pathlib
import sys

# Bytes of the embedding's rows, which a token does not read: columns, rows, and bytes of 32 weights.
SHAPES = {"1b": (2048, 32000), "7b": (4096, 32000)}
BLOCKS = {"q4_0": 18, "q8_0": 34, "f16": 64}


def main():
    folder = pathlib.Path(sys.argv[1])
    bandwidth = json.loads((folder / "bandwidth.json").read_text())
    copy = bandwidth["copy_gb_per_second"]
    rows, all_figures = [], {"device": (folder / "device.txt").read_text().strip(), **bandwidth, "models": {}}
    for path in sorted(folder.glob("speed-*.json")):
        name = path.stem.removeprefix("speed-")
        try:
            mine = json.loads(path.read_text())
        except ValueError:
            continue
        shape, _, kind = name.partition("-")
        read = mine["file_bytes"]
        if shape in SHAPES:
            columns, vocabulary = SHAPES[shape]
            read -= columns * vocabulary // 32 * BLOCKS[kind]
        floor = read / copy / 1e6
        figures = {**mine, "read_bytes_per_token": read, "floor_ms": floor, "of_floor": floor / mine["decode_ms_per_token"]}
        peer_path = folder / f"peer-{name}.json"
        peer = None
        if peer_path.exists():
            try:
                peer = json.loads(peer_path.read_text())
            except ValueError:
                pass
        if peer:
            figures["peer"] = peer
        all_figures["models"][name] = figures
        prompt = mine["prompt_tokens"] / mine["prompt_ms"] * 1e3 if mine.get("prompt_tokens") else float("nan")

        def ratio(ours, theirs):
            return f"{ours / theirs:.2f}x" if peer and theirs else "-"

        rows.append([name, f"{mine['decode_tokens_per_second']:.0f}", f"{100 * figures['of_floor']:.0f} %",
                     ratio(mine["decode_tokens_per_second"], peer and peer["decode_tokens_per_second"]),
                     f"{prompt:.0f}", ratio(prompt, peer and peer["prompt_tokens_per_second"]),
                     f"{mine['first_token_ms']:.1f}",
                     ratio(peer["first_token_ms"] if peer else 1, mine["first_token_ms"]),
                     f"{mine['load_gb_per_second']:.1f}",
                     ratio(peer["load_warm_seconds"] if peer else 1, mine["load_warm_seconds"])])
    head = ["model", "decode/s", "of floor", "to peer", "prompt/s", "to peer", "first ms", "to peer", "load GB/s", "to peer"]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))
    print(f"floor: bytes a token reads / {copy} GB/s of copies; host to device {bandwidth['host_to_device_gb_per_second']} GB/s")
    for name, figures in all_figures["models"].items():
        if "calls" in figures:
            calls = "  ".join(f"{key.removesuffix('_ns')} {value:.0f}" for key, value in figures["calls"].items())
            print(f"ABI calls, ns ({name}): {calls}")
            break
    (folder / "speed.json").write_text(json.dumps(all_figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
