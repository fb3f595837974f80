"""Decoders that crash, hang, or want all memory cost a segment, and none is left behind."""

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import dunia
import stacgen
from stacgen.api.build import Labour, Upstream
from stacgen.cli import PARTLY
from stacgen.errors import SegmentError
from stacgen.model.outcomes import Report
from stacgen.model.protocols import Coded
from stacgen.model.stream import Codes, Timeline
from stacgen.video import worker
from stacgen.video.worker import Children, Limits
from test_build import HASTY, linked_items, timeless, tree

SHAPE = (64, 96)
TIMELINE = Timeline(origin=dunia.ORIGIN)
SEGMENT = "/streams/29PKR/B09/2025/seg_001.ts"
ENOUGH = Limits(seconds=60, memory=1_000_000_000)

if not Path("/proc/self/task").is_dir():
    pytest.skip("asks Linux what processes there are", allow_module_level=True)


def coded(count: int = 4, *, bits: int = 12) -> Coded:
    frames = [
        np.full(SHAPE, 200 - number, np.uint8 if bits == 8 else np.uint16)
        for number in range(count)
    ]
    return Coded(
        media=dunia.encode(frames, bits=bits, params="lossless=1:bframes=0:hash=1"),
        numbers=range(count),
        wanted=frozenset(range(count)),
        timeline=TIMELINE,
        shape=SHAPE,
    )


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


def decoders(parent: int) -> set[int]:
    """Processes below this one that decode."""
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= decoders(child)
                if b"stacgen.video.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.add(child)
    return found


def the_decoder() -> int:
    while not (found := decoders(os.getpid())):
        time.sleep(0.001)  # a process has no name at first
    [one] = found
    return one


def is_there(pid: int) -> bool:
    try:
        return b"stacgen.video.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, those included that it shares with others."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def waits_until_gone(pids: set[int], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while any(map(is_there, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_there, pids))


@pytest.mark.parametrize("bits", [8, 12])
def test_a_child_gives_the_codes_that_this_process_would(children: Children, bits: int) -> None:
    segment = coded(bits=bits)
    here = [(each.number, each.pixels.copy(), each) for each in worker.here(segment)]
    for (number, pixels, right), each in zip(here, children(segment), strict=True):
        assert (each.number, each.bits, each.verified) == (number, bits, "md5")
        assert each.software == right.software
        assert each.pixels.dtype == pixels.dtype
        assert not each.pixels.flags.writeable
        np.testing.assert_array_equal(each.pixels, pixels)


def test_a_child_tells_of_blocks_that_jump(children: Children) -> None:
    shown = [np.full((256, 320), 2000, np.uint16) for _ in range(2)]
    shown[1][64:128, 64:192] = 1000
    segment = Coded(
        media=dunia.encode(shown),
        numbers=range(2),
        wanted=frozenset(range(2)),
        timeline=TIMELINE,
        shape=(256, 320),
    )
    assert [each.jump for each in children(segment)] == [None, 2 / 5]


def test_a_child_shows_only_what_is_wanted_and_is_used_again(children: Children) -> None:
    segment = coded()
    some = Coded(
        media=segment.media,
        numbers=range(4),
        wanted=frozenset({1, 3}),
        timeline=TIMELINE,
        shape=SHAPE,
    )
    first = [each.number for each in children(some)]
    before = the_decoder()
    assert first == [each.number for each in children(some)] == [1, 3]
    assert the_decoder() == before


def test_damage_is_told_as_ever_and_the_child_is_used_again(children: Children) -> None:
    segment = coded()
    damaged = Coded(
        media=segment.media[:-188],
        numbers=range(4),
        wanted=segment.wanted,
        timeline=TIMELINE,
        shape=SHAPE,
    )
    with pytest.raises(SegmentError) as raised:
        list(worker.here(damaged))
    reason = str(raised.value)
    with pytest.raises(SegmentError) as raised:
        list(children(damaged))
    assert str(raised.value) == reason
    before = the_decoder()
    assert len(list(children(segment))) == 4
    assert the_decoder() == before


@pytest.mark.parametrize(
    ("blow", "reason"),
    [
        (signal.SIGSEGV, "the decoder crashed (signal 11)"),
        (signal.SIGKILL, "the decoder was killed (signal 9), as a system does that is out of"),
        (signal.SIGABRT, "the decoder crashed (signal 6)"),
        (signal.SIGSTOP, "the decoder took longer than 1 s"),
        (signal.SIGXCPU, "the decoder took longer than 1 s"),
        (signal.SIGALRM, "the decoder took longer than 1 s"),
    ],
)
def test_a_decoder_that_dies_halfway_costs_one_segment(blow: signal.Signals, reason: str) -> None:
    limits = [ENOUGH]
    children = Children(lambda _: limits[-1])
    segment = coded(60)
    assert len(list(children(segment))) == 60
    limits.append(Limits(seconds=1, memory=ENOUGH.memory))
    decoding = children(segment)
    assert next(decoding).number == 0
    struck = the_decoder()
    os.kill(struck, blow)
    with pytest.raises(SegmentError) as raised:
        list(decoding)
    assert str(raised.value).startswith(reason)
    assert not is_there(struck)
    limits.append(ENOUGH)
    assert len(list(children(segment))) == 60
    children.close()


def test_a_child_that_was_killed_while_idle_costs_nothing(children: Children) -> None:
    children.prepare(1)
    struck = the_decoder()
    os.kill(struck, signal.SIGKILL)
    assert waits_until_gone({struck})
    assert len(list(children(coded()))) == 4


def test_a_system_that_begins_no_process_is_told_of(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(sys, "executable", "/no/such/python")
        children.prepare(1)
        with pytest.raises(SegmentError, match=r"no decoder can be begun: .*No such file"):
            list(children(coded()))
    assert len(list(children(coded()))) == 4


def test_memory_has_a_limit() -> None:
    rows, columns = np.indices((1830, 1830))
    large = Coded(
        media=dunia.encode([(rows + columns).astype(np.uint16)] * 2),
        numbers=range(2),
        wanted=frozenset(range(2)),
        timeline=TIMELINE,
        shape=(1830, 1830),
    )
    limits = [ENOUGH]
    children = Children(lambda _: limits[-1])
    for megabytes in (8, 17, 20):
        limits.append(Limits(seconds=60, memory=megabytes * 10**6))
        with pytest.raises(SegmentError, match=f"needed more memory than {megabytes} MB"):
            list(children(large))
    limits.append(Limits.of(large))
    assert len(list(children(large))) == 2
    children.close()


def test_a_segment_that_is_given_up_halfway_leaves_the_next_alone(children: Children) -> None:
    decoding = children(coded())
    next(decoding)
    before = the_decoder()
    del decoding
    assert waits_until_gone({before})
    assert len(list(children(coded()))) == 4


def test_children_that_are_closed_end_whatever_they_are_at(children: Children) -> None:
    decoding = children(coded(60))
    next(decoding)
    before = the_decoder()
    children.close()
    with pytest.raises(KeyboardInterrupt):
        list(decoding)
    assert not is_there(before)
    with pytest.raises(KeyboardInterrupt):
        next(children(coded()))


def test_threads_have_a_child_each(children: Children) -> None:
    segment, found = coded(60), []

    def decode() -> None:
        found.append([each.pixels[0, 0] for each in children(segment)])

    threads = [threading.Thread(target=decode) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [[200 - number for number in range(60)]] * 3
    assert len(decoders(os.getpid())) == 3


def test_a_limit_that_the_system_does_not_have_is_none() -> None:
    import resource  # noqa: PLC0415 - not everywhere

    from stacgen.video.worker.child import _limit  # noqa: PLC0415 - same

    before = resource.getrlimit(resource.RLIMIT_AS)
    _limit("RLIMIT_NO_SUCH", 1)
    _limit("RLIMIT_AS", None)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


class Deadly(Children):
    """Kills the decoder of frame 1 after it was shown, the first so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def __call__(self, coded: Coded) -> Iterator[Codes]:
        """Decode."""
        for codes in super().__call__(coded):
            yield codes
            if codes.number == 1 and self._left:
                self._left -= 1
                os.kill(next(iter(self._busy))._process.pid, signal.SIGSEGV)


@pytest.fixture(scope="module")
def upstream() -> Iterator[dunia.Server]:
    """Four frames, two a segment."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(4)], each=2)
        yield server


def build(server: dunia.Server, root: Path, **labour: object) -> Report:
    return stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        output=root,
        upstream=Upstream(api=server.base, patience=HASTY),
        labour=Labour(**{"workers": 1, **labour}),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_segment_whose_decoder_crashed_is_tried_anew(
    upstream: dunia.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    build(upstream, tmp_path / "quiet")
    upstream.requests.clear()
    monkeypatch.setattr(worker, "Children", lambda: Deadly(times))
    assert len(build(upstream, tmp_path / "struck").built) == 4
    assert timeless(tree(tmp_path / "struck")) == timeless(tree(tmp_path / "quiet"))
    assert upstream.paths().count("/streams/29PKR/B09/2025/seg_000.ts") == 1 + times


def test_a_segment_that_crashes_every_decoder_fails_by_name_and_the_others_are_built(
    upstream: dunia.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "Children", lambda: Deadly(99))
    report = build(upstream, tmp_path)
    assert [each.ref.frame.number for each in report.failed] == [0, 1]
    assert [each.ref.frame.number for each in report.built] == [2, 3]
    assert report.failed[0].reason == (
        "Segment seg_000.ts (frames 0 to 1) cannot be trusted in 3 tries: the decoder crashed"
        " (signal 11)."
    )
    assert len(linked_items(tmp_path)) == 2
    monkeypatch.undo()
    assert len(build(upstream, tmp_path).built) == 2


def test_where_there_are_no_children_this_process_decodes(
    upstream: dunia.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(upstream, tmp_path / "children")
    monkeypatch.setattr(worker, "IS_POSSIBLE", False)
    build(upstream, tmp_path / "none")
    assert timeless(tree(tmp_path / "none")) == timeless(tree(tmp_path / "children"))


def test_a_script_without_a_guard_builds(upstream: dunia.Server, tmp_path: Path) -> None:
    """Children run nothing of the program that is their parent's."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, stacgen\nfrom stacgen.api.build import Upstream\nprint('once')\n"
        f"api = Upstream(api={upstream.base!r})\n"
        "stacgen.build('29PKR', 'B09', years=[2025], upstream=api, output='out')\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("once\n", "")
    assert len(linked_items(tmp_path / "out")) == 4


def command(server: dunia.Server, root: Path, *options: str) -> list[str]:
    words = ["build", "29PKR", "B09", "--year", "2025", "-q", "-o", str(root), *options]
    return [sys.executable, "-m", "stacgen", *words, "--api", server.base]


@pytest.mark.parametrize(
    ("blow", "code", "options"),
    [
        (signal.SIGINT, 130, []),
        (signal.SIGTERM, 143, []),
        (signal.SIGKILL, -9, []),
        (signal.SIGTERM, 143, ["--dask", "local"]),
        (signal.SIGKILL, -9, ["--dask", "local"]),
    ],
)
def test_a_build_that_is_struck_leaves_no_decoder_behind(
    upstream: dunia.Server, tmp_path: Path, blow: signal.Signals, code: int, options: list[str]
) -> None:
    """One of its decoders has stopped, so that it would wait for ever."""
    options = [*options, "--workers", "1"]
    with subprocess.Popen(
        command(upstream, tmp_path, *options), stderr=subprocess.DEVNULL
    ) as process:
        while not (found := decoders(process.pid)):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(min(found), signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(blow)
        assert process.wait(60) == code
    assert waits_until_gone(found, 10)


def test_a_build_that_is_done_leaves_no_decoder_behind(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    build(upstream, tmp_path)
    assert not decoders(os.getpid())


def test_a_bomb_fails_by_name_in_little_memory(tmp_path: Path) -> None:
    """67 million pixels where 3 are due."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(2)], each=1)
        bomb = dunia.encode([np.zeros((8192, 8192), np.uint16)], first=1, params="bframes=0")
        server.content[SEGMENT] = bomb
        peak = 0
        with subprocess.Popen(
            command(server, tmp_path), stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None:
                peak = max(peak, sum(map(resident, {process.pid, *decoders(process.pid)})))
                time.sleep(0.005)
            said = process.communicate()[1]
    assert process.returncode == PARTLY
    assert "Picture size 8192x8192 exceeds" in said
    assert 50_000_000 < peak < 500_000_000
    assert len(linked_items(tmp_path)) == 1
