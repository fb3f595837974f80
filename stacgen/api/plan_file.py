"""A CSV file of streams to build: `--plan` of `stacgen build`."""

import csv
from collections.abc import Mapping
from pathlib import Path

from stacgen.api.build import request
from stacgen.errors import UsageError
from stacgen.model.request import Request


def read(path: Path, *, resolution: int | None = None) -> list[Request]:
    """What a CSV file with the columns tile, band and year asks for, one stream per line.

    Args:
        path: The file.
        resolution: Of true colour, in metres: 10, 20 or 60; None for 10.

    Raises:
        UsageError: It cannot be read, lacks a column, or a line of it is wrong; the message
            names the line.
    """
    years: dict[tuple[str, str], list[int]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = {"tile", "band", "year"} - set(reader.fieldnames or ())
            if missing:
                raise UsageError(f"The plan {path} has no column {', '.join(sorted(missing))}.")
            for line in reader:
                each = _planned(line, f"{path}, line {reader.line_num}")
                years.setdefault((each.tile, each.band.name), []).extend(each.years)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The plan {path} cannot be read: {error}.") from error
    if not years:
        raise UsageError(f"The plan {path} holds no line.")
    return [
        request(tile, band, years=each, resolution=resolution)
        for (tile, band), each in years.items()
    ]


def _planned(line: Mapping[str, str | None], where: str) -> Request:
    try:
        year = int(line["year"] or "")
        return request(line["tile"] or "", line["band"] or "", years=[year])
    except (UsageError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
