"""A catalog follows what the API has: real HTTP, real HEVC, real processes."""

import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.errors import DeprecatedWarning
from pystac.extensions.version import ItemVersionExtension

import crashes
import dunia
import stacgen
from stacgen.api.build import Upstream
from stacgen.catalog import publish as catalog_publish
from stacgen.catalog import validate
from stacgen.catalog.publish import Copy
from stacgen.errors import BusyError, OutputError
from stacgen.io.folder import Folder
from stacgen.model.outcomes import Updated
from stacgen.stac import layout
from test_build import linked_items
from test_validate import SCHEMAS

THIS_YEAR = datetime.now(UTC).year
FRAMES = [dunia.landscape(number) for number in range(4)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "catalogs"


def publish(
    server: dunia.Server,
    count: int,
    *,
    year: int = 2025,
    band: str = "B09",
    anew: Sequence[int] = (),
) -> None:
    """Serve that many frames of a year, two a segment, some of them processed anew."""
    start = datetime(year, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
    metadata = dunia.images(count, start=start)
    for number in anew:
        metadata[number]["baseline"] = "05.12"
    dunia.publish(server, FRAMES[:count], year=year, band=band, each=2, metadata=metadata)


def build(server: dunia.Server, root: Path, *, years: Sequence[int] = (2025,)) -> None:
    stacgen.build("29PKR", "B09", years=years, output=root, upstream=Upstream(api=server.base))


def update(server: dunia.Server, root: Path | str, **changes: Any) -> Updated:  # noqa: ANN401
    return stacgen.update(root, upstream=Upstream(api=server.base), **changes)


def assert_sound(root: Path) -> None:
    """Nothing is wrong with it, down to its pixels."""
    found = validate.validate(Folder(root), problems=None, deep=True)
    assert found.documents > 3
    assert found.findings == ()


def files(root: Path) -> dict[str, bytes]:
    """Every file of the catalog."""
    return crashes.tree(Folder(root))


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """The same, each with the time at which it was written."""
    return {key: (raw, (root / key).stat().st_mtime_ns) for key, raw in files(root).items()}


@pytest.fixture
def run(server: dunia.Server, tmp_path: Path) -> Run:
    """Run stacgen beside the catalog against the server."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stacgen", *arguments],
            cwd=tmp_path,
            env={**os.environ, "STACGEN_API": server.base},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_a_frame_that_is_new_upstream_is_added(server: dunia.Server, root: Path) -> None:
    publish(server, 2)
    build(server, root)
    before = files(root)
    publish(server, 3)
    server.requests.clear()
    done = update(server, root)
    assert [each.collection for each in done.changes] == ["29PKR B09"]
    assert [each.ref.frame.number for each in done.changes[0].built] == [2]
    assert len(done.report.skipped) == 2
    assert len(linked_items(root)) == 3
    pixels = {key: before[key] for key in before if key.endswith((".tif", "_60m.json"))}
    assert pixels.items() <= files(root).items()
    assert not any(path.endswith("seg_000.ts") for path in server.paths())
    assert_sound(root)


def test_a_second_update_changes_nothing(server: dunia.Server, root: Path) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 3)
    update(server, root)
    before = tree(root)
    done = update(server, root)
    assert done.changes == ()
    assert len(done.report.skipped) == 3
    assert tree(root) == before


def test_every_collection_of_the_catalog_is_asked_for(server: dunia.Server, root: Path) -> None:
    for band in ("B01", "B09"):
        publish(server, 1, band=band)
        stacgen.build("29PKR", band, years=[2025], output=root, upstream=Upstream(api=server.base))
    for band in ("B01", "B09"):
        publish(server, 2, band=band)
    done = update(server, root)
    assert [(each.collection, len(each.built)) for each in done.changes] == [
        ("29PKR B01", 1),
        ("29PKR B09", 1),
    ]
    assert_sound(root)


def test_this_year_is_added_to_a_collection_that_has_the_last(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 1, year=THIS_YEAR - 1)
    build(server, root, years=[THIS_YEAR - 1])
    assert update(server, root).changes == ()  # there is no stream yet, and that is no loss
    publish(server, 1, year=THIS_YEAR)
    done = update(server, root)
    assert [each.ref.stream for each in done.report.built] == [f"29PKR B09 {THIS_YEAR}"]
    assert_sound(root)


def test_this_year_is_not_added_to_a_collection_that_ended_earlier(
    server: dunia.Server, root: Path
) -> None:
    for year in (THIS_YEAR - 2, THIS_YEAR):
        publish(server, 1, year=year)
    build(server, root, years=[THIS_YEAR - 2])
    assert update(server, root).changes == ()


def test_a_year_that_is_gone_upstream_is_lost_and_the_others_go_on(
    server: dunia.Server, root: Path
) -> None:
    for year in (2024, 2025):
        publish(server, 1, year=year)
    build(server, root, years=[2024, 2025])
    del server.content["/api/streaming/band_metadata/29PKR/B09/2024"]
    publish(server, 2)
    (change,) = update(server, root).changes
    assert [each.stream for each in change.lost] == ["29PKR B09 2024"]
    assert len(change.built) == 1
    assert len(linked_items(root)) == 3


def test_where_there_is_no_catalog_there_is_nothing_to_update(
    server: dunia.Server, root: Path
) -> None:
    with pytest.raises(OutputError, match=r"There is no catalog at .*; build one first"):
        update(server, root)
    assert not root.exists()


def test_cron_hears_only_of_what_changed(server: dunia.Server, root: Path, run: Run) -> None:
    publish(server, 2)
    build(server, root)
    quiet = run("update", "catalogs", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert run("update", "catalogs").stderr == (
        "No Collection changed, 2 frames there already: catalogs\n"
    )
    publish(server, 3)
    told = run("update", "catalogs", "-q")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "29PKR B09: 1 built.\n")
    publish(server, 4)
    machine = run("update", "catalogs", "-q", "--json")
    (line,) = machine.stdout.splitlines()
    assert json.loads(line) == {
        "collection": "29PKR B09",
        "built": ["T29PKR_20250317T112109_05.11_B09_60m"],
        "changed_sources": [],
        "deprecated": [],
        "dropped": [],
        "failed": [],
        "lost": [],
    }
    assert machine.stderr == ""


def test_a_frame_that_fails_is_named_and_told_by_the_exit_code(
    server: dunia.Server, root: Path, run: Run
) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 4)
    server.content["/streams/29PKR/B09/2025/seg_001.ts"] = b"no video"
    done = run("update", "catalogs", "-q")
    assert done.returncode == 1
    assert "FAILED  T29PKR_20250312T112109_05.11_B09_60m" in done.stderr
    assert "29PKR B09: 2 failed." in done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """A segment that the server gives only when told."""

    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _: dunia.Request) -> None:
        """Wait."""
        self.asked.set()
        self.go_on.wait(20)


@pytest.fixture
def stalled(server: dunia.Server, root: Path) -> Iterator[Stalled]:
    """A catalog to which two frames will be added, of a segment that stalls."""
    publish(server, 2)
    build(server, root)
    publish(server, 4)
    server.faults["/streams/29PKR/B09/2025/seg_001.ts"] = stalled = Stalled()
    try:
        yield stalled
    finally:
        stalled.go_on.set()


@pytest.fixture
def first(server: dunia.Server, root: Path, stalled: Stalled) -> Iterator[subprocess.Popen[str]]:
    """An update that runs, and waits for the segment."""
    command = [sys.executable, "-m", "stacgen", "update", "catalogs", "--api", server.base]
    with subprocess.Popen(command, cwd=root.parent, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert stalled.asked.wait(20)
            yield process
        finally:
            process.kill()


def test_of_two_updates_at_once_one_does_it_and_the_other_is_refused(
    root: Path, run: Run, stalled: Stalled, first: subprocess.Popen[str]
) -> None:
    before = tree(root)
    second = run("update", "catalogs", "-q")
    assert second.returncode == 5
    assert f"catalogs is being updated by process {first.pid} on " in second.stderr
    assert tree(root) == before
    stalled.go_on.set()
    said = first.communicate(timeout=60)[1]
    assert said.startswith("29PKR B09: 2 built.\n1 Collection changed, 2 frames there already")
    assert len(linked_items(root)) == 4
    assert_sound(root)


def test_the_lock_of_an_update_that_was_killed_is_free_at_once(
    server: dunia.Server, root: Path, first: subprocess.Popen[str]
) -> None:
    with pytest.raises(BusyError):
        update(server, root)
    first.kill()
    first.wait()
    server.faults.clear()
    assert len(update(server, root).report.built) == 2
    assert_sound(root)


def test_a_folder_in_which_updates_ran_holds_nothing_of_their_lock(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 1)
    build(server, root)
    update(server, root)
    assert Folder(root).read(layout.ROOT) is not None
    assert not any(path.name.startswith(".") for path in root.rglob("*"))


OLD = "T29PKR_20250307T112109_05.11_B09_60m"
NEW = "T29PKR_20250307T112109_05.12_B09_60m"


def item(root: Path, name: str) -> pystac.Item:
    """An Item as pystac reads it, which warns of one that is deprecated."""
    path = root / f"29PKR/B09/2025/{name}/{name}.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecatedWarning)
        return pystac.Item.from_file(path)


def linked_to(of: pystac.Item, rel: str) -> str | None:
    """The id of the Item that one links to."""
    link = of.get_single_link(rel)
    if link is None:
        return None
    document: dict[str, Any] = json.loads(Path(link.get_absolute_href() or "").read_bytes())
    assert link.title == document["properties"]["title"]
    return str(document["id"])


def test_a_frame_that_was_processed_anew_deprecates_the_older(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 2, anew=[1])
    (change,) = update(server, root).changes
    assert [each.ref.item_id for each in change.built] == [NEW]
    assert (change.deprecated, change.dropped) == ((OLD,), ())
    old, new = item(root, OLD), item(root, NEW)
    with pytest.warns(DeprecatedWarning, match=f"'{OLD}' is deprecated"):
        pystac.Item.from_file(old.get_self_href() or "")
    assert linked_to(old, "successor-version") == linked_to(old, "latest-version") == NEW
    assert linked_to(new, "predecessor-version") == OLD
    assert "deprecated" not in new.properties
    assert old.properties["updated"] > old.properties["created"]
    assert_sound(root)
    before = tree(root)
    assert update(server, root).changes == ()
    assert tree(root) == before


def test_items_of_both_kinds_fit_the_schema_of_the_version_extension(
    server: dunia.Server, root: Path, tmp_path: Path
) -> None:
    """What that schema says, in our words: it is not on every machine that runs this."""
    url = "https://stac-extensions.github.io/version/v1.2.0/schema.json"
    fields = {"properties": {"deprecated": {"type": "boolean"}, "version": {"type": "string"}}}
    schema = {
        "$id": f"{url}#",
        "required": ["stac_extensions", "properties", "assets"],
        "properties": {
            "stac_extensions": {"contains": {"const": url}},
            "properties": fields,
            "assets": {"additionalProperties": fields},
        },
    }
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "version.json").write_text(json.dumps(schema))
    publish(server, 2)
    build(server, root)
    publish(server, 2, anew=[1])
    update(server, root)
    for name in (OLD, NEW):
        assert url in item(root, name).stac_extensions
    assert url not in item(root, "T29PKR_20250302T112109_05.11_B09_60m").stac_extensions
    found = stacgen.validate(root, schemas=[*SCHEMAS, tmp_path / "schemas"])
    assert found.findings == ()
    assert not any(url in sentence for sentence in found.unchecked)


def test_what_is_deprecated_stays_so_when_it_is_built_anew(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 2, anew=[1])
    update(server, root)
    publish(server, 2)  # upstream thinks better of it
    (root / f"29PKR/B09/2025/{OLD}/{OLD}.tif").unlink()
    assert update(server, root).changes == ()  # the newer one is there
    build(server, root)
    assert ItemVersionExtension.ext(item(root, OLD)).deprecated is True
    assert linked_to(item(root, OLD), "successor-version") == NEW
    assert_sound(root)


def test_of_three_baselines_each_links_its_neighbours(server: dunia.Server, root: Path) -> None:
    last = NEW.replace("05.12", "05.13")
    for baseline in ("05.11", "05.12", "05.13"):
        images = dunia.images(2)
        images[1]["baseline"] = baseline
        dunia.publish(server, FRAMES[:2], each=2, metadata=images)
        build(server, root)
    (change,) = update(server, root).changes
    assert change.deprecated == (OLD, NEW)
    assert linked_to(item(root, OLD), "successor-version") == NEW
    assert linked_to(item(root, OLD), "latest-version") == last
    assert linked_to(item(root, NEW), "predecessor-version") == OLD
    assert linked_to(item(root, NEW), "successor-version") == last
    assert linked_to(item(root, last), "predecessor-version") == NEW
    assert_sound(root)


def test_where_the_api_has_both_only_the_newer_is_added(server: dunia.Server, root: Path) -> None:
    publish(server, 1)
    build(server, root)
    images = dunia.images(3)
    images[2] |= {"sensing_time": images[1]["sensing_time"], "baseline": "05.12"}
    dunia.publish(server, FRAMES[:3], each=3, metadata=images)
    (change,) = update(server, root).changes
    assert [each.ref.item_id for each in change.built] == [NEW]
    assert change.deprecated == ()
    assert not (root / f"29PKR/B09/2025/{OLD}").exists()
    assert update(server, root).changes == ()


def scene(root: Path, baseline: str) -> dict[str, Any]:
    """A scene of the second frame."""
    name = f"T29PKR_20250307T112109_{baseline}"
    found: dict[str, Any] = json.loads(
        (root / f"29PKR/scenes/2025/{name}/{name}.json").read_bytes()
    )
    return found


def test_a_scene_is_deprecated_once_all_of_its_bands_are(server: dunia.Server, root: Path) -> None:
    for band in ("B01", "B09"):
        publish(server, 2, band=band)
        stacgen.build("29PKR", band, years=[2025], output=root, upstream=Upstream(api=server.base))
    publish(server, 2, anew=[1])
    update(server, root)
    assert "deprecated" not in scene(root, "05.11")["properties"]
    assert scene(root, "05.11")["assets"]["B09"]["deprecated"] is True
    assert "deprecated" not in scene(root, "05.11")["assets"]["B01"]
    assert list(scene(root, "05.12")["assets"]) == ["B09", "thumbnail"]
    publish(server, 2, band="B01", anew=[1])
    update(server, root)
    assert scene(root, "05.11")["properties"]["deprecated"] is True
    assert "deprecated" not in scene(root, "05.11")["assets"]["B09"]
    assert "deprecated" not in scene(root, "05.12")["properties"]
    assert_sound(root)


def found(root: Path, **asked: Any) -> list[str]:  # noqa: ANN401
    items = stacgen.search(root, collections=["sentinel-2-l2a-29PKR-B09"], **asked)
    return [each["id"] for each in items.found.documents]


def test_readers_get_what_is_deprecated_only_where_they_ask(
    server: dunia.Server, root: Path, run: Run
) -> None:
    publish(server, 2)
    build(server, root)
    assert OLD in found(root)
    publish(server, 2, anew=[1])
    update(server, root)
    assert OLD not in found(root)
    assert NEW in found(root)
    assert set(found(root, deprecated=True)) >= {OLD, NEW}
    assert found(root, ids=[OLD]) == [OLD]
    table = ("search", "catalogs", "--table", "-q")
    assert OLD not in run(*table).stdout
    assert NEW in run(*table).stdout
    assert OLD in run(*table, "--deprecated").stdout
    assert len(stacgen.readings(root / "29PKR/B09").readings) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cube = stacgen.open(root, "29PKR")
    assert cube.sizes["time"] == 2


def test_a_segment_whose_bytes_have_changed_is_told(
    server: dunia.Server, root: Path, run: Run
) -> None:
    publish(server, 1)
    build(server, root)
    media = dunia.encode([FRAMES[3], FRAMES[1]])
    publish(server, 2)
    server.content["/streams/29PKR/B09/2025/seg_000.ts"] = media
    done = run("update", "catalogs", "-q")
    assert done.returncode == 0
    assert done.stderr == (
        "29PKR B09: 1 built, segment seg_000.ts (frames 0 to 1) has changed upstream.\n"
    )


def test_a_segment_that_has_grown_is_as_it_was(server: dunia.Server, root: Path) -> None:
    """As the last of a year does."""
    segment = "/streams/29PKR/B09/2025/seg_000.ts"
    publish(server, 1)
    build(server, root)
    before = server.content[segment]
    publish(server, 2)
    assert server.content[segment].startswith(before)
    assert server.content[segment] != before
    (change,) = update(server, root).changes
    assert len(change.built) == 1
    assert change.changed_sources == ()


def test_a_copy_at_its_public_gets_an_item_before_another_links_it(
    server: dunia.Server, root: Path, tmp_path: Path
) -> None:
    publish(server, 2)
    build(server, root)
    stacgen.publish(root, tmp_path / "public")
    publish(server, 2, anew=[1])
    update(server, root)
    target = crashes.Tried(Folder(tmp_path / "public"))
    copy = Copy(source=Folder(root), target=target)
    catalog_publish.publish(copy, watch=lambda _: None)
    put = [each.rpartition("/")[2] for each in target.changes]
    assert put.index(f"{NEW}.json") < put.index(f"{OLD}.json")
    crashes.Reader(Folder(tmp_path / "public")).walk()


def test_replace_takes_the_older_out_and_its_files_with_it(
    server: dunia.Server, root: Path, run: Run
) -> None:
    for band in ("B01", "B09"):
        publish(server, 2, band=band)
        stacgen.build("29PKR", band, years=[2025], output=root, upstream=Upstream(api=server.base))
    for band in ("B01", "B09"):
        publish(server, 2, band=band, anew=[1])
    done = run("update", "catalogs", "-q", "--replace")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == ("29PKR B01: 1 built, 1 dropped.\n29PKR B09: 1 built, 1 dropped.\n")
    assert not [key for key in files(root) if "20250307T112109_05.11" in key]
    assert not [key for key, raw in files(root).items() if OLD.encode() in raw]
    assert len([key for key in files(root) if "20250307T112109_05.12" in key]) == 3 * 2 + 1
    assert found(root, deprecated=True) == ["T29PKR_20250302T112109_05.11_B09_60m", NEW]
    crashes.Reader(Folder(root)).walk()
    assert_sound(root)
    before = tree(root)
    again = run("update", "catalogs", "-q", "--replace")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert tree(root) == before


def test_a_copy_follows_what_was_taken_out(
    server: dunia.Server, root: Path, tmp_path: Path
) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 2, anew=[1])
    update(server, root)
    public = tmp_path / "public"
    stacgen.publish(root, public)
    update(server, root, replace=True)
    stacgen.publish(root, public, delete=True)
    assert files(public) == files(root)


@pytest.mark.parametrize(
    ("year", "moment"),
    [
        (2025, datetime(2024, 12, 31, 23, 59, 58, tzinfo=UTC)),
        (2019, datetime(2018, 12, 31, 23, 59, 58, tzinfo=UTC)),
        (2024, datetime(2025, 1, 1, 0, 0, 2, tzinfo=UTC)),
    ],
)
def test_an_update_asks_for_the_streams_that_were_built(
    server: dunia.Server, root: Path, year: int, moment: datetime
) -> None:
    """An acquisition of another year than its stream's asks for no stream of that year."""
    metadata = dunia.images(2, start=datetime(year, 3, 2, 11, 21, 9, tzinfo=UTC))
    metadata[0]["sensing_time"] = moment.strftime("%Y-%m-%dT%H:%M:%S")
    dunia.publish(server, FRAMES[:2], year=year, each=2, metadata=metadata)
    build(server, root, years=[year])
    [item] = root.glob(f"29PKR/B09/{moment.year}/*/*.json")
    assert json.loads(item.read_text())["properties"]["stacgen:stream_year"] == year
    asked = len(server.requests)
    found = update(server, root)
    assert found.changes == ()
    assert not found.report.lost
    years = {int(path[-4:]) for path in server.paths()[asked:] if "band_metadata" in path}
    assert years - {THIS_YEAR} == {year}
    assert_sound(root)
