"""What a catalog of any size costs, from figures of one frame; prints the table of docs/scale.md.

`python tests/benchmarks/model.py` uses the figures below; put in what you measure.
CPU seconds are those of `run.py`; sizes those of `stacgen build --sample` of a year of B09 and of
four frames of B04. A 20 m frame is taken as a quarter of a 10 m one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

FRAMES_A_SEGMENT = 4
FRAMES_A_YEAR = 73
"""A frame every five days; more where orbits overlap."""

CATALOG_FILES_A_FRAME = 3
"""COG, thumbnail, Item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one frame of a resolution takes."""

    bands: int
    """Of the twelve, how many have this resolution."""

    fetched: float
    """MB of video."""

    cpu: float
    """Seconds of one core, from video to Item."""

    cog: float
    """MB."""


FRAMES = {
    10: Frame(bands=4, fetched=6.0, cpu=3.9, cog=131.0),
    20: Frame(bands=6, fetched=1.5, cpu=1.0, cog=32.7),
    60: Frame(bands=2, fetched=0.35, cpu=0.21, cog=5.2),
}
ITEM_KB = 3.9
SCENE_KB = 1.8
"""Of a scene, without its bands."""

SCENE_KB_A_BAND = 1.6
THUMBNAIL_KB = 150.0

BESIDE_KB = 38.0
"""Table and page of a Collection, without what each Item adds."""

BESIDE_KB_AN_ITEM = 0.6
ROOT_KB_A_COLLECTION = 0.5
"""Of the root's table and page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is asked for."""

    name: str
    tiles: int
    years: int
    resolutions: tuple[int, ...]
    bands: int | None = None
    """None for all of the resolutions."""


SIZES = (
    Size(name="one band-year at 60 m", tiles=1, years=1, resolutions=(60,), bands=1),
    Size(name="one band-year at 10 m", tiles=1, years=1, resolutions=(10,), bands=1),
    Size(name="a tile, 12 bands, a year", tiles=1, years=1, resolutions=(10, 20, 60)),
    Size(name="100 tiles, 12 bands, 8 years", tiles=100, years=8, resolutions=(10, 20, 60)),
    Size(name="20,000 tiles, 12 bands, 8 years", tiles=20_000, years=8, resolutions=(10, 20, 60)),
)


def rows() -> Iterator[tuple[str, ...]]:
    """The table, a size a row."""
    yield (
        "size",
        "Items",
        "requests",
        "fetched",
        "core hours",
        "storage",
        "catalog files",
        "of Items",
        "of scenes",
        "tables, pages",
    )
    for size in SIZES:
        frames = {
            metres: size.tiles * size.years * FRAMES_A_YEAR * (size.bands or FRAMES[metres].bands)
            for metres in size.resolutions
        }
        items = sum(frames.values())
        streams = items / FRAMES_A_YEAR
        requests = items / FRAMES_A_SEGMENT + 4 * streams
        fetched = sum(count * FRAMES[metres].fetched for metres, count in frames.items())
        cpu = sum(count * FRAMES[metres].cpu for metres, count in frames.items())
        storage = sum(count * FRAMES[metres].cog for metres, count in frames.items())
        storage += items * (THUMBNAIL_KB + ITEM_KB) / 1e3
        collections = streams / size.years
        scenes = size.tiles * size.years * FRAMES_A_YEAR
        catalogs = streams + collections + size.tiles + 1
        catalogs += size.tiles * size.years + size.tiles  # years and Collections of scenes
        collections += size.tiles
        catalogs += 2 * (collections + 1)  # tables and pages
        beside = collections * (BESIDE_KB + ROOT_KB_A_COLLECTION)
        beside += (items + scenes) * BESIDE_KB_AN_ITEM
        yield (
            size.name,
            f"{items:,}",
            f"{requests:,.0f}",
            volume(fetched),
            f"{cpu / 3600:,.1f}",
            volume(storage),
            f"{catalogs:,.0f}",
            volume(items * ITEM_KB / 1e3),
            volume((scenes * SCENE_KB + items * SCENE_KB_A_BAND) / 1e3),
            volume(beside / 1e3),
        )


def volume(megabytes: float) -> str:
    """With a unit that keeps the number short."""
    for unit in ("MB", "GB", "TB"):
        if megabytes < 1000:
            return f"{megabytes:,.1f} {unit}"
        megabytes /= 1000
    return f"{megabytes:,.1f} PB"


if __name__ == "__main__":
    table = list(rows())
    for number, row in enumerate(table):
        print("| " + " | ".join(row) + " |")  # noqa: T201 - the point
        if number == 0:
            print("|---" * len(row) + "|")  # noqa: T201 - the point
