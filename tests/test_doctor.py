"""`stacgen doctor` in environments that are sound, broken, and empty."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from importlib import metadata
from pathlib import Path

import av
import pyproj
import pytest
import rasterio

import dunia
from servers import Service
from stacgen.api.doctor import examine
from stacgen.api.doctor.libraries import declared
from stacgen.dunia import sample
from stacgen.io.conditional_put import Means

TREE = Path(__file__).parents[1]
ANSI = re.compile(r"\x1b\[[0-9;]*m")

Record = dict[str, str]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[dunia.Server]:
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(0)])
        yield server


@pytest.fixture
def run(upstream: dunia.Server, tmp_path: Path) -> Run:
    """Run a module of stacgen's in an empty folder, where no variable leads GDAL astray."""
    astray = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_DATA", "PROJ_LIB", "NO_COLOR", "COLUMNS")
    plain = {name: value for name, value in os.environ.items() if name not in astray}

    def call(
        *arguments: str, python: tuple[str, ...] = ("-m", "stacgen"), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *python, *arguments],
            cwd=tmp_path,
            env={**plain, "PYTHONPATH": str(TREE), "STACGEN_API": upstream.base, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def records(done: subprocess.CompletedProcess[str]) -> list[Record]:
    """The findings, of a run that told of what is broken instead of breaking."""
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def examined(*, root: object = None, api: str = "", **more: Mapping[str, str]) -> list[Record]:
    """The findings of an examination in this process, which has loaded all libraries already."""
    place = None if root is None else str(root)
    return [asdict(each) for each in examine("1", root=place, api=api, **more)]


def found(seen: list[Record], part: str, name: str) -> Record:
    return next(each for each in seen if (each["part"], each["name"]) == (part, name))


def failed(seen: list[Record]) -> set[tuple[str, str]]:
    return {(each["part"], each["name"]) for each in seen if each["mark"] == "fail"}


def broken(folder: Path, module: str, error: str) -> str:
    """A path on which a module raises that when it is imported."""
    (folder / "broken" / module).mkdir(parents=True)
    (folder / "broken" / module / "__init__.py").write_text(f"raise {error}\n")
    return os.pathsep.join([str(folder / "broken"), str(TREE)])


def test_a_sound_installation_is_found_sound(run: Run, tmp_path: Path) -> None:
    done = run("doctor", str(tmp_path), "--json")
    seen = records(done)
    assert failed(seen) == set()
    assert done.returncode == 0
    parts = dict.fromkeys(each["part"] for each in seen)
    assert list(parts) == [
        *("stacgen", "Libraries", "FFmpeg", "GDAL", "PROJ", "API", "Store", "Room")
    ]
    assert found(seen, "FFmpeg", "12-bit gray")["mark"] == "ok"


def test_versions_are_those_that_the_libraries_report() -> None:
    seen = examined()
    assert found(seen, "FFmpeg", "version")["text"].startswith(f"{av.ffmpeg_version_info},")
    assert found(seen, "GDAL", "version")["text"].startswith(rasterio.__gdal_version__)
    assert rasterio.__proj_version__ in found(seen, "GDAL", "version")["text"]
    assert found(seen, "PROJ", "version")["text"].startswith(pyproj.proj_version_str)


def test_every_declared_library_is_listed_with_the_extra_that_brings_it() -> None:
    texts = {each["name"]: each["text"] for each in examined() if each["part"] == "Libraries"}
    for line in metadata.requires("stacgen") or []:
        name = re.split(r"[^\w.-]", line)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if extra is None:
            assert texts[name] == metadata.version(name)
        elif extra[1] not in ("test", "lint", "docs"):
            assert extra[1] in texts[name]


def test_what_is_missing_is_named_with_the_command_that_brings_it() -> None:
    core, extra = declared(["matplotlib>=3.9; extra == 'plot'", "rasterio>=1.4.3"])
    assert (core.remedy, extra.remedy) == ("pip install 'stacgen'", "pip install 'stacgen[plot]'")
    (both,) = declared(["numpy>=2.0", "numpy>=2.0; extra == 'plot'"])
    assert both.extras == ()


@pytest.mark.parametrize(
    ("module", "also"),
    [
        ("av", {("FFmpeg", "av")}),
        ("rasterio", {("GDAL", "rasterio"), ("Libraries", "rio-cogeo"), ("Libraries", "odc-stac")}),
        ("numpy", {("GDAL", "rasterio"), ("API", "127.0.0.1"), ("Libraries", "shapely")}),
        ("requests", {("API", "127.0.0.1")}),
    ],
)
def test_a_broken_library_is_a_finding_and_the_rest_is_still_looked_at(
    run: Run, tmp_path: Path, module: str, also: set[tuple[str, str]]
) -> None:
    error = "ImportError('libgdal.so.36: cannot open shared object file')"
    done = run("doctor", "--json", PYTHONPATH=broken(tmp_path, module, error))
    assert done.returncode == 1
    seen = records(done)
    assert failed(seen) >= {("Libraries", module)} | also
    told = found(seen, "Libraries", module)
    assert "is broken: ImportError: libgdal.so.36" in told["text"]
    assert told["advice"] == f"pip install --force-reinstall {module}"
    assert found(seen, "Room", "output")["mark"] in ("ok", "warn")


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_a_command_line_there_still_is_a_doctor(
    run: Run, tmp_path: Path, module: str
) -> None:
    path = broken(tmp_path, module, f"ModuleNotFoundError({module!r})")
    plain = run("build", PYTHONPATH=path)
    if module == "typer":
        assert plain.returncode == 1
        assert "Traceback" not in plain.stderr
        assert "python -m stacgen.api.doctor" in plain.stderr
    done = run("--json", python=("-m", "stacgen.api.doctor"), PYTHONPATH=path)
    assert ("Libraries", module) in failed(records(done))
    assert done.returncode == 1


def test_with_no_library_at_all_each_is_named(run: Run, tmp_path: Path) -> None:
    bare = records(run("--json", python=("-S", "-m", "stacgen.api.doctor")))
    assert found(bare, "Libraries", "stacgen")["mark"] == "warn"
    assert {("FFmpeg", "av"), ("GDAL", "rasterio"), ("PROJ", "pyproj")} <= failed(bare)
    told = tmp_path / "stacgen-0.1.0.dist-info"
    told.mkdir()
    wanted = "".join(f"Requires-Dist: {line}\n" for line in metadata.requires("stacgen") or [])
    (told / "METADATA").write_text(f"Metadata-Version: 2.4\nName: stacgen\nVersion: 1\n{wanted}")
    path = os.pathsep.join([str(TREE), str(tmp_path)])
    seen = records(run("--json", python=("-S", "-m", "stacgen.api.doctor"), PYTHONPATH=path))
    needed, extra = (found(seen, "Libraries", name) for name in ("rasterio", "matplotlib"))
    assert (needed["mark"], needed["text"]) == ("fail", "is not installed")
    assert (extra["mark"], extra["advice"]) == ("absent", "pip install 'stacgen[plot]'")


def test_tables_of_another_installation_are_told_with_what_to_unset(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "share").mkdir()  # of a PROJ that has gone: no proj.db
    done = run("doctor", "--api", "", "--json", PROJ_DATA=str(tmp_path / "share"))
    seen = records(done)
    told, known = found(seen, "GDAL", "PROJ_DATA"), found(seen, "GDAL", "EPSG:32629")
    assert (told["mark"], told["advice"]) == ("warn", "unset PROJ_DATA")
    assert "is not used" in told["text"]
    assert known["mark"] == "ok"
    assert done.returncode == 0


def test_tables_that_are_rasterios_own_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(Path(rasterio.__file__).parent / "proj_data")
    monkeypatch.setenv("PROJ_LIB", own)
    assert found(examined(), "GDAL", "PROJ_LIB")["mark"] == "ok"
    monkeypatch.setenv("GDAL_DRIVER_PATH", "/usr/lib/gdalplugins")
    told = found(examined(), "GDAL", "GDAL_DRIVER_PATH")
    assert (told["mark"], told["advice"]) == ("warn", "unset GDAL_DRIVER_PATH")


def test_the_api_is_asked_once_with_the_token(run: Run, upstream: dunia.Server) -> None:
    upstream.requests.clear()
    done = run("doctor", "--json", STACGEN_TOKEN="canary")  # noqa: S106 - of the test
    told = found(records(done), "API", "127.0.0.1")
    place = f"{upstream.base.partition('//')[2]} answered in"
    assert re.match(rf"{place} \d+\.\d\d s at {upstream.base}/api/streaming$", told["text"])
    assert upstream.paths() == [BOUNDS]
    assert upstream.requests[0].headers["Authorization"] == "Bearer canary"
    assert "canary" not in done.stdout + done.stderr


BOUNDS = "/api/streaming/s2-tiles/utm-bounds/29PKR"
ELSEWHERE = dunia.Reply(status=302, headers={"Location": "http://169.254.169.254/latest"})


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (dunia.Reply(status=503), "could not be fetched in 1 try: the server answered 503"),
        (dunia.Reply(status=401), "the server answered 401"),
        (dunia.Reply(body=b"<html>"), "Is this the address of a DUNIA API?"),
        (dunia.Reply(body=b"{}"), "utm"),
        (ELSEWHERE, "--allow-host 169.254.169.254"),
    ],
)
def test_an_api_that_does_not_answer_so_is_a_finding(
    upstream: dunia.Server, reply: dunia.Reply, sentence: str
) -> None:
    upstream.faults[BOUNDS] = lambda _: reply
    try:
        told = found(examined(api=upstream.base), "API", "127.0.0.1")
    finally:
        del upstream.faults[BOUNDS]
    assert told["mark"] == "fail"
    assert sentence in told["text"]


def test_an_address_that_is_none_and_a_host_that_is_not_there_are_findings() -> None:
    assert "no http(s) URL" in found(examined(api="ftp://x"), "API", "x")["text"]
    away = found(examined(api="http://127.0.0.1:9"), "API", "127.0.0.1")
    assert "the connection failed" in away["text"]


def test_an_api_that_says_so_is_synthetic() -> None:
    with sample.serve() as base:
        told = found(examined(api=f"{base}/api"), "API", "127.0.0.1")
    assert told["text"].endswith(f" s at {base}/api, with synthetic data")


def test_a_word_that_names_no_service_is_a_finding() -> None:
    told = found(examined(api="dunja"), "API", "dunja")
    assert (told["mark"], "dunia, destine" in told["text"]) == ("fail", True)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    }


def test_a_folder_is_tried_out_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("{}")
    before = snapshot(tmp_path)
    seen = examined(root=tmp_path)
    assert found(seen, "Store", "listed")["text"] == "it holds a catalog"
    assert found(seen, "Store", "written")["mark"] == "ok"
    assert "lock" in found(seen, "Store", "one at a time")["text"]
    assert snapshot(tmp_path) == before


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    told = found(examined(root=tmp_path / "not" / "there"), "Store", "folder")
    assert told["mark"] == "ok"
    assert f"can be made in {tmp_path}" in told["text"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", ["/proc", "file", "ftp://x/y"])
def test_a_place_that_cannot_be_written_to_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    assert ("Store", root) in failed(examined(root=root))


def test_a_bucket_is_tried_out_and_left_as_it_was(moto: Service) -> None:
    bucket = moto.bucket()
    for _ in range(2):  # the second finds what the first left, if it left anything
        seen = examined(root=bucket, store_options=moto.options)
        assert found(seen, "Store", "listed")["text"] == "it holds nothing"
        assert found(seen, "Store", "written")["mark"] == "ok"
        means = found(seen, "Store", "one at a time")["text"].removeprefix("by ")
        assert means in [each.value for each in Means]
        assert found(seen, "Room", "scratch")
    name = bucket.rpartition("/")[2]
    assert moto.s3().list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_a_bucket_that_is_not_there_is_a_finding_soon() -> None:
    given = {"endpoint": "http://127.0.0.1:9", "access_key_id": "a", "secret_access_key": "b"}
    began = time.monotonic()
    seen = examined(root="s3://none/x", store_options=given)
    assert ("Store", "s3://none/x") in failed(seen)
    assert time.monotonic() - began < 20


def in_terminal(environment: Mapping[str, str], *arguments: str) -> str:
    """What a terminal of 80 columns is sent."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "stacgen", *arguments], env=environment, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the other end has closed
            break
        if not chunk:
            break
        said += chunk
    os.close(master)
    process.wait()
    return said.decode()


def test_a_terminal_shows_words_within_80_columns_and_colours_unless_told_not_to() -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
        "PYTHONPATH": str(TREE),
        "COLUMNS": "80",
        "TERM": "xterm",
        "PROJ_DATA": "/nowhere",
    }
    command = ("doctor", "--api", "http://127.0.0.1:9")
    colored = in_terminal(environment, *command)
    plain = in_terminal({**environment, "NO_COLOR": "1"}, *command)
    assert "\x1b[32mok" in colored
    assert "\x1b" not in plain
    steady = [re.sub(r"\d+ ms|[\d.]+ GB", "", ANSI.sub("", each)) for each in (colored, plain)]
    assert steady[0] == steady[1]
    assert max(len(line) for line in plain.splitlines()) <= 80
    assert {"ok", "warn", "FAIL"} <= set(
        re.findall(r"^  (\w+)  ", plain.replace("\r", ""), re.MULTILINE)
    )


def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    """Of this machine, by the clock of the store."""
    from stacgen.api.doctor.places import _clock  # noqa: PLC0415 - its own

    assert found(examined(root=tmp_path), "Store", "clock")["mark"] == "ok"
    told = _clock(timedelta(minutes=-61))
    assert (told.mark, told.text) == ("warn", "that of this machine is 61 minutes behind")
