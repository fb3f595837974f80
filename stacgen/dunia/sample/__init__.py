"""A platform that answers as DUNIA does, with a landscape of its own making.

ESA's DUNIA cannot be reached from everywhere. This one is served from this machine: same paths,
same JSON, same playlists, same kind of 12-bit HEVC segments, for any tile, band and year. The
pictures are drawn, not sensed: relief, rivers, fields that follow the seasons, clouds with their
shadows, edges of the swath. They are the same in every run.

    with serve() as base:
        requests.get(f"{base}/api/streaming/band_metadata/29PKR/B09/2025")
"""

from stacgen.dunia.sample.server import serve

__all__ = ["serve"]
