"""What the checks of a segment cost, beside decoding it: `python tests/benchmarks/integrity.py`."""

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import damage
from stacgen import blocks, hevc, transport

SIZE = 25_000_000


def long_segment() -> bytes:
    """Segments of a clip over and over, counted through as one."""
    media = b"".join(damage.clip("no hash"))
    packets = np.frombuffer(bytearray(media * (SIZE // len(media) + 1)), np.uint8)
    packets = packets.reshape(-1, transport.PACKET)
    pids = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    for pid in np.unique(pids):
        own = pids == pid
        packets[own, 3] = packets[own, 3] & 0xF0 | np.arange(own.sum()) % 16
    return packets.tobytes()


def quickest(run: Callable[[], object]) -> float:
    """Seconds of CPU, the best of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    media = long_segment()
    megabytes = len(media) / 1e6
    video = transport.check(media).video
    plane = np.random.default_rng(0).integers(0, 4096, (10_980, 10_980), np.uint16)
    for name, run in {
        "packets": lambda: transport.check(media),
        "picture hashes": lambda: hevc.hashes(video),
    }.items():
        took = quickest(run)
        sys.stdout.write(f"{name}: {took * 1e3:.0f} ms of {megabytes:.0f} MB, ")
        sys.stdout.write(f"{megabytes / took:.0f} MB/s\n")
    took = quickest(lambda: blocks.jumps(plane, noise=8))
    sys.stdout.write(f"blocks: {took * 1e3:.0f} ms a 10 m frame\n")
    tracemalloc.start()
    transport.check(media)
    peak = tracemalloc.get_traced_memory()[1] / len(media)
    sys.stdout.write(f"memory: {peak:.2f} of the segment beside it\n")


if __name__ == "__main__":
    main()
