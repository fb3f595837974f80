"""Measure stacgen against its peers and against the floor, all in one run.

`python tests/benchmarks/run.py` prints a table of ratios with versions and machine, and takes
about ten minutes; `--small` takes one and is for seeing that it runs. Needs the ffmpeg program and
`pip install '.[test]' deflate`.
"""

import argparse
import json
import os
import pickle
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import av  # noqa: E402
import numpy as np  # noqa: E402
import rasterio  # noqa: E402

import dunia  # noqa: E402
import stacgen  # noqa: E402
from picture import draw  # noqa: E402
from streams import Material, served  # noqa: E402

PARTS = ("start", "many", "year", "60", "10", "isolation", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process took, of all its children together."""

    wall: float
    cpu: float
    peak: float
    """Bytes in memory, of all processes together; what they share counts once."""

    said: str


TOGETHER = (
    "-c",
    "import stacgen.cli as c, stacgen.video.worker as w; w.IS_POSSIBLE = False; c.main()",
)
"""stacgen as it is where decoders can have no processes of their own."""

LAUNCH = """
import glob, json, resource, subprocess, sys, threading, time

peak, over = 0, threading.Event()

def size(process):
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            own = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        lists = map(open, glob.glob(f"/proc/{process}/task/*/children"))
        return 1024 * own + sum(size(child) for each in lists for child in each.read().split())
    except (OSError, StopIteration):
        return 0

def look():
    global peak
    while not over.wait(0.2):
        peak = max(peak, size(process.pid))

begin = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
threading.Thread(target=look, daemon=True).start()
process.wait()
over.set()
wall, usage = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([wall, usage.ru_utime + usage.ru_stime, peak], file)
sys.exit(process.returncode)
"""
"""Begets what is measured, and looks five times a second how large it is with its own children."""


def run(command: list[str]) -> Cost:
    """Run a program to its end and tell what it took."""
    with tempfile.NamedTemporaryFile("r") as told:
        launch = [sys.executable, "-c", LAUNCH, told.name, *command]
        said = subprocess.run(launch, check=True, stdout=subprocess.PIPE, text=True).stdout
        wall, cpu, peak = json.load(told)
    return Cost(wall=wall, cpu=cpu, peak=peak, said=said)


def median(costs: list[Cost]) -> Cost:
    """The run in the middle, by wall time."""
    return sorted(costs, key=lambda cost: cost.wall)[len(costs) // 2]


class Bench:
    """Runs stacgen and its peers on one material."""

    def __init__(self, material: Material, folder: Path, rounds: int) -> None:
        self.material = material
        self.folder = folder
        self.rounds = rounds
        self.times: dict[str, float] = {}
        """Seconds a frame, after `rows`."""
        self._pickle = folder / f"{material.band.name}.pickle"

    def build(
        self, base: str, workers: int, *options: str, program: Sequence[str] = ("-m", "stacgen")
    ) -> Cost:
        """Build the material anew."""
        output = self.folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        name = self.material.band.name
        command = [sys.executable, *program, "build", "29PKR", name, "--year", "2025", "-q"]
        command += ["-o", str(output), "--api", base, "--workers", str(workers), *options]
        return run(command)

    def peer(self, what: str, output: Path) -> Cost:
        """Run a peer on the material."""
        output.mkdir(exist_ok=True)
        return run([sys.executable, str(HERE / "peers.py"), what, str(self._pickle), str(output)])

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What is measured, the result, and what it comes from."""
        frames, metres = self.material.frames, self.material.band.resolution
        label = f"{metres} m, {frames} frames"
        one: list[Cost] = []
        two: list[Cost] = []
        peer: list[Cost] = []
        with served(self.material) as base:
            for _ in range(self.rounds):
                one.append(self.build(base, 1))
                two.append(self.build(base, 2))
                peer.append(self.peer("notebook", self.folder / "peer"))
                shutil.rmtree(self.folder / "peer")
        slow, fast, other = median(one), median(two), median(peer)
        yield (
            f"notebook's loop + rio cogeo create / build with 2 workers, {label}",
            f"{other.wall / fast.wall:.1f} x",
            f"{other.wall:.1f} s / {fast.wall:.1f} s",
        )
        yield (
            f"the same, build with 1 worker, {label}",
            f"{other.wall / slow.wall:.1f} x",
            f"{other.wall:.1f} s / {slow.wall:.1f} s",
        )
        floor = self.peer("decode", self.folder / "none").cpu
        floor += float(self.peer("compress", self.folder / "out").said)
        self.times = {
            "notebook + rio cogeo": other.wall / frames,
            "stacgen, 1 worker": slow.wall / frames,
            "stacgen, 2 workers": fast.wall / frames,
            "floor, 1 core": floor / frames,
        }
        yield (
            f"CPU of a build / floor, {label}",
            f"{slow.cpu / floor:.2f}",
            f"{slow.cpu:.1f} s / {floor:.1f} s",
        )
        yield (
            f"wall, 2 workers / 1, {label}",
            f"{fast.wall / slow.wall:.2f}",
            f"{fast.wall:.1f} s / {slow.wall:.1f} s",
        )
        peaks = f"{slow.peak / 1e9:.2f} GB; {fast.peak / 1e9:.2f} GB"
        yield f"peak memory, 1 worker; 2 workers, {label}", peaks, ""

    def isolation(self) -> Iterator[tuple[str, str, str]]:
        """What it costs that decoders have processes of their own."""
        with served(self.material) as base:
            for workers in (1, 2):
                pairs = [
                    (self.build(base, workers), self.build(base, workers, program=TOGETHER))
                    for _ in range(self.rounds)
                ]
                apart, together = (median(list(costs)) for costs in zip(*pairs, strict=True))
                label = f"{self.material.band.resolution} m, {self.material.frames} frames"
                source = (
                    f"{apart.wall:.1f} s / {together.wall:.1f} s; CPU {apart.cpu:.1f} s /"
                    f" {together.cpu:.1f} s; memory {apart.peak / 1e9:.2f} GB /"
                    f" {together.peak / 1e9:.2f} GB"
                )
                yield (
                    f"wall, decoders in processes / in threads, workers: {workers}, {label}",
                    f"{apart.wall / together.wall:.2f}",
                    source,
                )

    def peaks(self) -> Iterator[tuple[str, str, str]]:
        """Peak memory over few frames and over all, which should be the same."""
        with served(self.material) as base:
            for frames in (8, self.material.frames):
                one, two = (self.build(base, n, "--limit", str(frames)).peak for n in (1, 2))
                label = f"{self.material.band.resolution} m, {frames} frames"
                peaks = f"{one / 1e9:.2f} GB; {two / 1e9:.2f} GB"
                yield f"peak memory, 1 worker; 2 workers, {label}", peaks, ""


def start_up() -> Iterator[tuple[str, str, str]]:
    """How long a user waits for nothing."""
    for name, command in (
        ("stacgen --help", [sys.executable, "-m", "stacgen", "--help"]),
        ("import stacgen", [sys.executable, "-c", "import stacgen"]),
    ):
        wall = statistics.median(run(command).wall for _ in range(5))
        yield name, f"{wall:.2f} s", "median of 5"


def grown_catalog(items: int) -> Iterator[tuple[str, str, str]]:
    """How a catalog of many Items grows; see synthetic.py."""
    command = [sys.executable, str(HERE / "synthetic.py"), str(items)]
    for line in run(command).said.splitlines():
        what, result, source = line.split(" | ")
        yield what, result, source


def material(band: str, frames: int, folder: Path) -> Material:
    """Frames to measure on, encoded in a process of its own."""
    path = folder / f"{band}.pickle"
    run([sys.executable, str(HERE / "streams.py"), band, str(frames), str(path)])
    made: Material = pickle.loads(path.read_bytes())  # noqa: S301 - written a moment ago
    return made


def finished_year(folder: Path, frames: int) -> Iterator[tuple[str, str, str]]:
    """A second run where nothing is to be done."""
    pictures = [np.full((1830, 1830), 200 + number, np.uint16) for number in range(frames)]
    with dunia.Server().running() as server:
        start = datetime(2025, 1, 1, tzinfo=UTC)
        metadata = dunia.images(frames, start=start)
        for number, image in enumerate(metadata):
            day = datetime.fromtimestamp(start.timestamp() + 200_000 * number, UTC)
            image["sensing_time"] = day.strftime("%Y-%m-%dT%H:%M:%S")
        dunia.publish(server, pictures, metadata=metadata)
        command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2025"]
        command += ["-q", "-o", str(folder / "year"), "--api", server.base]
        run(command)
        wall = statistics.median(run(command).wall for _ in range(3))
    yield f"run again on a finished year of {frames} frames", f"{wall:.2f} s", "median of 3"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few frames, one round")
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable; all if none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="where to draw the times, as SVG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(options, Path(name))


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Measure the parts that were asked for, and print each as it is known."""
    print("| what | result | from |\n|---|---|---|")  # noqa: T201 - the point
    times: dict[str, dict[str, float]] = {}
    for part in options.part or PARTS:
        if part == "start":
            show(start_up())
        elif part == "many":
            show(grown_catalog(2_000 if options.small else 100_000))
        elif part == "year":
            show(finished_year(folder, 8 if options.small else 146))
        elif part == "isolation":
            for band, frames in (("B09", 24), ("B04", 8)):
                made = material(band, 4 if options.small else frames, folder)
                show(Bench(made, folder, 1 if options.small else options.rounds).isolation())
        elif part == "memory":
            frames = 12 if options.small else 40
            show(Bench(material("B04", frames, folder), folder, 1).peaks())
        else:
            band, frames, rounds = ("B09", 24, options.rounds) if part == "60" else ("B04", 8, 1)
            frames = 4 if options.small else frames
            bench = Bench(material(band, frames, folder), folder, 1 if options.small else rounds)
            show(bench.rows())
            times[f"{part} m"] = bench.times
    print(f"\n{versions()}")  # noqa: T201 - same
    if options.picture is not None:
        options.picture.write_text(draw(times))


def show(rows: Iterator[tuple[str, str, str]]) -> None:
    """Lines of a Markdown table, so that they can be pasted."""
    for what, result, source in rows:
        print(f"| {what} | **{result}** | {source} |", flush=True)  # noqa: T201 - the point


def versions() -> str:
    """What was measured, and on what."""
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    return (
        f"stacgen {stacgen.__version__}, Python {platform.python_version()}, PyAV {av.__version__}"
        f" (FFmpeg {av.ffmpeg_version_info}), rasterio {rasterio.__version__} (GDAL"
        f" {rasterio.__gdal_version__}), numpy {np.__version__},"
        f" {' '.join(ffmpeg.stdout.split()[:3])}; {os.cpu_count()} cores, {platform.machine()}"
    )


if __name__ == "__main__":
    main()
