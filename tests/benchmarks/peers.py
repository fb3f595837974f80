"""What stacgen is measured against: ESA's notebook with rio-cogeo, and the floor of the work.

Run as a program, so that whole processes are compared:
`python peers.py notebook|decode|compress MATERIAL OUTPUT` with the paths of a pickled `Material`.
"""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from streams import Material


def notebook(material: Material, output: Path) -> None:
    """ESA's loop, one ffmpeg a frame on the whole segment; then `rio cogeo create` a file."""
    size, metres = material.band.size, material.band.resolution
    for segment, path in zip(material.segments, material.files, strict=True):
        media = path.read_bytes()
        for index in range(segment.stop - segment.start):
            command = ["ffmpeg", "-hide_banner", "-i", "pipe:0", "-vf", f"select=eq(n\\,{index})"]
            command += ["-pix_fmt", "gray16le", "-f", "rawvideo", "pipe:"]
            raw = subprocess.run(command, input=media, capture_output=True, check=True).stdout
            picture = np.frombuffer(raw, np.uint16).reshape(size, size)
            frame = material.stream.frames[segment.start + index]
            values = ((picture >> 4) * frame.scale + frame.offset).astype(np.uint16)
            plain = output / f"{frame.number}.tif"
            with rasterio.open(
                plain,
                "w",
                driver="GTiff",
                width=size,
                height=size,
                count=1,
                dtype="uint16",
                crs="EPSG:32629",
                transform=from_origin(199980, 1600020, metres, metres),
            ) as dataset:
                dataset.write(values, 1)
            cog = output / f"{frame.number}_cog.tif"
            create = ["rio", "cogeo", "create", "--nodata", "0", "-q", str(plain), str(cog)]
            subprocess.run(create, check=True)


def decode(material: Material, _: Path) -> None:
    """The floor's first part: FFmpeg decodes each segment once, to nothing."""
    for path in material.files:
        command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path)]
        subprocess.run([*command, "-f", "null", "-"], check=True)


def compress(_: Material, output: Path) -> None:
    """The floor's second part: the tiles of finished COGs, by libdeflate at level 1, and pyramids.

    Reading the pixels back and differencing them is not part of it, so the sum of the times is
    printed rather than that of the process.
    """
    import time  # noqa: PLC0415 - only here

    import deflate  # noqa: PLC0415 - only for benchmarks

    spent = 0.0
    for path in sorted(output.rglob("*.tif")):
        with rasterio.open(path) as dataset:
            level = dataset.read(1)
            depth = len(dataset.overviews(1))
        for _level in range(depth + 1):
            for row in range(0, level.shape[0], 512):
                for column in range(0, level.shape[1], 512):
                    tile = np.zeros((512, 512), np.uint16)
                    part = level[row : row + 512, column : column + 512]
                    tile[: part.shape[0], : part.shape[1]] = part
                    tile[:, 1:] -= tile[:, :-1].copy()
                    content = tile.tobytes()
                    begin = time.process_time()
                    deflate.zlib_compress(content, 1)
                    spent += time.process_time() - begin
            if _level < depth:
                begin = time.process_time()
                level = halved(level)
                spent += time.process_time() - begin
    print(spent)  # noqa: T201 - read by run.py


def halved(level: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, in row blocks that stay in the cache."""
    rows, columns = level.shape[0] // 2, level.shape[1] // 2
    half = np.empty((rows, columns), np.uint16)
    for row in range(0, rows, 16):
        block = level[2 * row : 2 * min(row + 16, rows), : 2 * columns]
        total = block[0::2, 0::2].astype(np.uint32)
        total += block[0::2, 1::2]
        total += block[1::2, 0::2]
        total += block[1::2, 1::2]
        total += 2
        total >>= 2
        half[row : row + 16] = total
    return half


if __name__ == "__main__":
    what, where, target = sys.argv[1:]
    with Path(where).open("rb") as file:
        made = pickle.load(file)  # noqa: S301 - written by run.py a moment ago
    {"notebook": notebook, "decode": decode, "compress": compress}[what](made, Path(target))
