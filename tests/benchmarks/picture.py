"""The times of a run, as a picture that needs nothing to be drawn or shown."""

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

WIDTH, ROW, LABEL = 760, 26, 190
COLOURS = ("#9aa7b4", "#2f81d6", "#1b5fa8", "#c8d1da")


def draw(times: Mapping[str, Mapping[str, float]]) -> str:
    """Bars of seconds a frame, a group a resolution, each on a scale of its own."""
    parts = list(_parts(times))
    height = sum(ROW * (len(bars) + 2) for bars in times.values())
    style = "font: 13px system-ui, sans-serif; background: #fff; color: #16202a"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{style}"'
    return "\n".join([f'{head} role="img"><title>Seconds a frame</title>', *parts, "</svg>", ""])


def _parts(times: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="100%" fill="#fff"/>'
    top = 0
    for name, bars in times.items():
        top += ROW
        yield f'<text x="12" y="{top}" font-weight="600">Seconds a frame, {escape(name)}</text>'
        longest = max(bars.values())
        for colour, (label, seconds) in zip(COLOURS, bars.items(), strict=True):
            top += ROW
            length = (WIDTH - LABEL - 80) * seconds / longest
            yield f'<text x="12" y="{top}">{escape(label)}</text>'
            yield (
                f'<rect x="{LABEL}" y="{top - 14}" width="{length:.1f}" height="18" rx="3"'
                f' fill="{colour}"/>'
            )
            yield f'<text x="{LABEL + length + 8:.1f}" y="{top}">{seconds:.2f} s</text>'
        top += ROW
