"""A process that builds part of a tile, again and again; see `test_writers`."""

import json
import sys

from crashes import BASE, YEAR, Api, Crew, frames
from stacgen.api import run
from stacgen.api.build import Pixels, recipe, requests
from stacgen.dunia import endpoints
from stacgen.io.stores import open_store
from stacgen.model.selection import parse_moment
from stacgen.model.stream import Selection
from stacgen.pipeline.request import Order

BUILDS = 5
"""In which a process puts its frames."""


def main() -> None:
    """Build the frames from one number to before another."""
    address, options, band, of, first, count = sys.argv[1:]
    api = Api()
    api.publish(band, int(of))
    times = [image["sensing_time"] for image in frames(int(of))][int(first) :][: int(count)]
    size = -(-len(times) // BUILDS)
    store = open_store(address, json.loads(options))
    for start in range(0, len(times), size):
        part = times[start : start + size]
        order = Order(
            requests=tuple(requests("29PKR", band, years=[YEAR])),
            selection=Selection(start=parse_moment(part[0]), end=parse_moment(part[-1])),
            endpoint=endpoints.find(BASE),
            recipe=recipe(Pixels()),
        )
        run.build(order, fetch=api, store=store, watch=lambda _: None, hire=Crew)


if __name__ == "__main__":
    main()
