"""A playlist becomes segments that know their frames, or an error that names it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dunia
from stacgen.dunia.playlist import Playlist, locate, parse, variant
from stacgen.errors import PlaylistError
from stacgen.model.stream import ByteRange, Frame, Resource, Segment

BASE = "https://dunia.example/streams/29PKR/stream.m3u8?token=secret"
FOLDER = "https://dunia.example/streams/29PKR"
ENTRY = "#EXTINF:0.16,\n"


def _parse(*lines: str, base: str = BASE) -> tuple[Segment, ...]:
    return _playlist(*lines, base=base).segments


def _playlist(*lines: str, base: str = BASE) -> Playlist:
    return parse("\n".join(["#EXTM3U", *lines]), base=base, rate=25)


def _urls(*uris: str, base: str = BASE) -> list[str]:
    return [segment.media.url for segment in _parse(*(ENTRY + uri for uri in uris), base=base)]


def _refused(*lines: str, base: str = BASE) -> str:
    with pytest.raises(PlaylistError) as raised:
        _parse(*lines, base=base)
    assert "secret" not in str(raised.value)
    assert f"{FOLDER}/stream.m3u8" in str(raised.value)
    return str(raised.value)


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    decimals=st.integers(2, 6),
)
def test_segments_hold_every_frame_once_and_in_order(counts: list[int], decimals: int) -> None:
    lines = [
        f"#EXTINF:{count / 25:.{decimals}f},\ns{index}.ts" for index, count in enumerate(counts)
    ]
    segments = _parse(*lines)
    assert [segment.stop - segment.start for segment in segments] == counts
    assert segments[0].start == 0
    assert all(one.stop == other.start for one, other in pairwise(segments))


def test_a_year_of_segments_does_not_drift() -> None:
    segments = parse(dunia.playlist([4] * 5000).decode(), base=BASE, rate=25).segments
    assert (segments[-1].start, segments[-1].stop) == (19996, 20000)


def test_frames_are_counted_at_the_rate_of_the_stream() -> None:
    text = f"#EXTM3U\n{ENTRY}a.ts"
    assert [segment.stop for segment in parse(text, base=BASE, rate=50).segments] == [8]


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("seg_000.ts", f"{FOLDER}/seg_000.ts"),
        ("hd/seg_000.ts?a=1/2", f"{FOLDER}/hd/seg_000.ts?a=1/2"),
        ("../B09/seg.ts", "https://dunia.example/streams/B09/seg.ts"),
        ("../../../../seg.ts", "https://dunia.example/seg.ts"),
        ("/seg.ts", "https://dunia.example/seg.ts"),
        ("//cdn.example/seg.ts", "https://cdn.example/seg.ts"),
        ("https://cdn.example/a/seg.ts?b=c", "https://cdn.example/a/seg.ts?b=c"),
        ("?part=1", f"{FOLDER}/stream.m3u8?part=1"),
        ("  seg 1.ts  ", f"{FOLDER}/seg%201.ts"),
        ("ség.ts?a=b c", f"{FOLDER}/s%C3%A9g.ts?a=b%20c"),
        ("seg%201.ts", f"{FOLDER}/seg%201.ts"),
    ],
)
def test_an_uri_is_resolved_against_the_playlist(uri: str, url: str) -> None:
    assert _urls(uri) == [url]


def test_a_query_of_the_playlist_does_not_mislead() -> None:
    assert _urls("seg.ts", base="https://dunia.example/a/b.m3u8?sig=x/y/z") == [
        "https://dunia.example/a/seg.ts"
    ]


@pytest.mark.parametrize("before", ["\ufeff", "\n", "\ufeff\r\n", " \t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_make_no_difference(before: str, end: str) -> None:
    text = before + dunia.playlist([4, 3]).decode().replace("\n", end)
    segments = parse(text, base=BASE, rate=25).segments
    assert [str(segment.media.url) for segment in segments] == [
        f"{FOLDER}/seg_000.ts",
        f"{FOLDER}/seg_001.ts",
    ]
    assert [segment.stop for segment in segments] == [4, 7]


def test_a_stream_that_still_grows_is_taken_as_far_as_it_goes() -> None:
    lines = ["#EXT-X-PLAYLIST-TYPE:EVENT", ENTRY + "a.ts", "", "# a comment", ENTRY + "b.ts"]
    assert _parse(*lines) == _parse(*lines, "#EXT-X-ENDLIST")
    assert len(_parse(*lines)) == 2


def test_byte_ranges_follow_one_another_unless_they_say_where() -> None:
    lines = ["#EXT-X-BYTERANGE:100@50", "#EXT-X-BYTERANGE:30", "#EXT-X-BYTERANGE:9@0"]
    segments = _parse(*(f"{line}\n{ENTRY}all.ts" for line in lines))
    assert [segment.media.part for segment in segments] == [
        ByteRange(offset=50, length=100),
        ByteRange(offset=150, length=30),
        ByteRange(offset=0, length=9),
    ]


def test_byte_ranges_of_two_files_do_not_mix() -> None:
    first, second = (f"#EXT-X-BYTERANGE:10@0\n{ENTRY}{name}" for name in ("a.ts", "b.ts"))
    onward = f"#EXT-X-BYTERANGE:10\n{ENTRY}a.ts"
    assert "byte range '10'" in _refused(first, second, onward)


@pytest.mark.parametrize(
    "part", ["", "x", "10", "0@0", "-5@0", "10@", "10@-1", "10@x", "@5", "1.5@0", "\u0661@0"]
)
def test_a_byte_range_that_leads_nowhere_is_refused(part: str) -> None:
    said = _refused(f"#EXT-X-BYTERANGE:{part}\n{ENTRY}a.ts")
    assert f"The byte range {part!r}" in said
    assert said.endswith("cannot be followed.")


def test_headers_go_before_the_segments_that_follow_them() -> None:
    segments = _parse(
        ENTRY + "a.ts",
        '#EXT-X-MAP:URI="init.mp4"',
        ENTRY + "b.m4s",
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="720@16"',
        f"#EXT-X-BYTERANGE:100@736\n{ENTRY}all.mp4",
        f"#EXT-X-BYTERANGE:50\n{ENTRY}all.mp4",
    )
    headers = Resource(
        url=f"{FOLDER}/all.mp4", part=ByteRange(offset=16, length=720), named_by=BASE
    )
    assert [segment.initialization for segment in segments] == [
        None,
        Resource(url=f"{FOLDER}/init.mp4", named_by=BASE),
        headers,
        headers,
    ]
    assert segments[-1].media.part == ByteRange(offset=836, length=50)


def test_headers_must_say_where_they_start() -> None:
    said = _refused('#EXT-X-MAP:URI="all.mp4",BYTERANGE="720"', ENTRY + "all.mp4")
    assert "The byte range '720'" in said


def test_headers_are_fetched_from_no_worse_place_than_segments() -> None:
    assert "'file:///etc/passwd'" in _refused('#EXT-X-MAP:URI="file:///etc/passwd"', ENTRY + "a")


@pytest.mark.parametrize(
    "key", ['METHOD=AES-128,URI="key.bin"', 'METHOD=SAMPLE-AES,URI="key.bin",IV=0x00']
)
def test_an_encrypted_segment_is_refused(key: str) -> None:
    method = key.partition(",")[0].removeprefix("METHOD=")
    said = _refused(ENTRY + "a.ts", f"#EXT-X-KEY:{key}", ENTRY + "b.ts")
    assert f"Segment 2 of {FOLDER}/stream.m3u8 is encrypted ({method})" in said


def test_a_key_of_no_method_is_no_encryption() -> None:
    assert len(_parse("#EXT-X-KEY:METHOD=NONE", ENTRY + "a.ts", ENTRY + "b.ts")) == 2


def test_a_gap_is_refused_by_its_number() -> None:
    said = _refused(ENTRY + "a.ts", "#EXT-X-GAP", ENTRY + "b.ts")
    assert said.startswith("Segment 2 of")
    assert "is a gap" in said


def test_after_a_discontinuity_frames_are_not_known() -> None:
    said = _refused(ENTRY + "a.ts", "#EXT-X-DISCONTINUITY", ENTRY + "b.ts")
    assert said.startswith("Segment 2 of")
    assert "begins a discontinuity" in said


def test_a_discontinuity_before_the_first_segment_is_none() -> None:
    assert len(_parse("#EXT-X-DISCONTINUITY", ENTRY + "a.ts", ENTRY + "b.ts")) == 2


@pytest.mark.parametrize("duration", ["0", "0.0", "-0.16", "-1e308"])
def test_a_segment_of_no_duration_is_refused(duration: str) -> None:
    said = _refused(ENTRY + "a.ts", f"#EXTINF:{duration},\nb.ts", ENTRY + "c.ts")
    assert said.startswith("Segment 2 of")
    assert said.endswith("and so holds no frame.")


@pytest.mark.parametrize("duration", ["0.001", "0.02", "0.06", "0.149"])
def test_durations_that_are_no_whole_frames_are_not_even(duration: str) -> None:
    assert _playlist(ENTRY + "a.ts", ENTRY + "b.ts").is_even
    assert not _playlist(ENTRY + "a.ts", f"#EXTINF:{duration},\nb.ts", ENTRY + "c.ts").is_even


def test_durations_of_whole_tenths_are_coarse() -> None:
    """Whole tenths of a second may be rounded, even if they are whole frames."""
    assert _playlist("#EXTINF:0.2,\na.ts", "#EXTINF:0.4,\nb.ts").is_coarse
    assert not _playlist("#EXTINF:0.2,\na.ts", "#EXTINF:0.16,\nb.ts").is_coarse


def test_a_sequence_number_above_0_tells_that_segments_are_gone() -> None:
    assert _playlist("#EXT-X-MEDIA-SEQUENCE:3", ENTRY + "a.ts").is_sliding
    assert not _playlist("#EXT-X-MEDIA-SEQUENCE:0", ENTRY + "a.ts").is_sliding


@pytest.mark.parametrize("duration", ["nan", "inf", "1e400"])
def test_a_duration_must_be_a_number(duration: str) -> None:
    assert _refused(f"#EXTINF:{duration},\na.ts").endswith("has no duration.")


def test_a_segment_without_duration_is_refused() -> None:
    assert _refused("#EXT-X-BYTERANGE:10@0", "a.ts").endswith("has no duration.")


@pytest.mark.parametrize("duration", ["0.151", "0.1601", "0.169"])
def test_a_duration_a_little_off_the_beat_is_rounded_to_it(duration: str) -> None:
    assert [segment.stop for segment in _parse(f"#EXTINF:{duration},\na.ts")] == [4]


@pytest.mark.parametrize("lines", [(), ("#EXT-X-ENDLIST",), ("a.ts", "b.ts")])
def test_a_playlist_without_segments_is_refused(lines: tuple[str, ...]) -> None:
    assert _refused(*lines).endswith("holds no segment.")


def test_a_playlist_cut_off_before_an_uri_is_refused() -> None:
    assert _refused(ENTRY + "a.ts", "#EXTINF:0.16,").endswith("has an entry without URI.")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no HLS playlist"),
        ("seg_000.ts\nseg_001.ts", "no HLS playlist"),
        ('{"detail": "Not Found"}', "no HLS playlist"),
        ("  <!DOCTYPE html><html>#EXTM3U</html>", "a web page"),
        ("#EXTINF:0.16,\na.ts\n#EXTM3U", "no HLS playlist"),
    ],
)
def test_what_is_no_playlist_is_called_what_it_is(text: str, what: str) -> None:
    for read in (
        lambda: variant(text, base=BASE),
        lambda: parse(text, base=BASE, rate=25).segments,
    ):
        with pytest.raises(PlaylistError, match=rf"stream.m3u8 is {what}: it does not begin"):
            read()


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://dunia.example/a.ts",
        "data:video/mp2t;base64,AAAA",
        "concat:a.ts|file:///etc/passwd",
        "http://dunia.example/a.ts?key=secret",
    ],
)
def test_only_http_is_followed_and_none_weaker_than_the_playlists_own(uri: str) -> None:
    assert "which is not fetched: only http(s)" in _refused(ENTRY + uri)


def test_a_plain_playlist_may_lead_to_plain_and_to_secure_segments() -> None:
    urls = ["http://cdn.example/a.ts", "https://cdn.example/a.ts"]
    assert _urls(*urls, base="http://dunia.example/stream.m3u8") == urls


@pytest.mark.parametrize("uri", ["http://[", "//[::1/a.ts", "https://a\u2100b/a.ts?key=secret"])
def test_an_uri_that_is_no_url_is_refused(uri: str) -> None:
    assert _refused(ENTRY + uri).endswith("which is no URL.")


def _variants(*entries: str) -> str:
    return "\n".join(["#EXTM3U", *(f"#EXT-X-STREAM-INF:{entry}" for entry in entries)])


def test_a_media_playlist_has_no_variant() -> None:
    assert variant(dunia.playlist([4]).decode(), base=BASE) is None


def test_the_variant_of_most_pixels_is_taken() -> None:
    text = _variants(
        "BANDWIDTH=900,RESOLUTION=1830x1830\nmiddle.m3u8",
        "BANDWIDTH=100,RESOLUTION=10980x10980\nfull/stream.m3u8",
        "BANDWIDTH=990,RESOLUTION=999x999\nsmall.m3u8",
        "BANDWIDTH=9999\naudio.m3u8",
    )
    assert variant(text, base=BASE) == f"{FOLDER}/full/stream.m3u8"


def test_of_two_variants_of_a_size_the_one_with_more_bandwidth_is_taken() -> None:
    text = _variants("BANDWIDTH=9\n9.m3u8", "BANDWIDTH=80\n80.m3u8", "BANDWIDTH=10\n10.m3u8")
    assert variant(text, base=BASE) == f"{FOLDER}/80.m3u8"


def test_a_variant_is_followed_as_carefully_as_a_segment() -> None:
    with pytest.raises(PlaylistError, match="'file:///etc/passwd', which is not fetched"):
        variant(_variants("BANDWIDTH=1\nfile:///etc/passwd"), base=BASE)


def test_a_master_playlist_without_streams_is_refused() -> None:
    with pytest.raises(PlaylistError, match=r"stream\.m3u8 names no stream\.$"):
        variant(_variants("BANDWIDTH=1"), base=BASE)


def test_a_master_playlist_is_no_media_playlist() -> None:
    assert "names streams, not segments" in _refused("#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8")


@pytest.mark.parametrize(
    "lines",
    [
        ("#EXTINF:long,", "a.ts"),
        ('#EXT-X-KEY:URI="key"', ENTRY + "a.ts"),
        ("#EXT-X-TARGETDURATION:x",),
        ("#EXT-X-STREAM-INF:BANDWIDTH=inf", "a.m3u8"),
        ("#EXT-X-STREAM-INF:RESOLUTION=10x10", "a.m3u8"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=10", "a.m3u8"),
        ("#EXT-X-PROGRAM-DATE-TIME:2025-01-01T00:00:00Z", "#EXTINF:1e308,", "a.ts"),
    ],
)
def test_what_the_parser_cannot_read_is_our_error(lines: tuple[str, ...]) -> None:
    assert "cannot be read: " in _refused(*lines)


_pieces = st.sampled_from(
    [
        *("#EXTINF:0.16,", "#EXTINF:1e308,", "#EXTINF:inf,", "#EXTINF:", "#EXT-X-GAP"),
        *("a.ts", "http://[", "//\u2100/", "\ud800", "?q", "file:///x", ""),
        *("#EXT-X-BYTERANGE:5", "#EXT-X-BYTERANGE:5@5", '#EXT-X-MAP:URI="m",BYTERANGE="1@0"'),
        *("#EXT-X-KEY:METHOD=NONE", "#EXT-X-KEY:x=y", "#EXT-X-DISCONTINUITY", "#EXT-X-ENDLIST"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59"),
    ]
)


@given(lines=st.lists(_pieces | st.text(max_size=20), max_size=12))
def test_any_playlist_gives_segments_or_a_playlist_error(lines: list[str]) -> None:
    text = "\n".join(["#EXTM3U", *lines])
    try:
        best = variant(text, base=BASE)
        segments = () if best else parse(text, base=BASE, rate=25).segments
    except PlaylistError:
        return
    urls = [best] if best else [segment.media.url for segment in segments]
    assert urls
    assert all(url.startswith("https://") for url in urls)
    assert all(segment.start < segment.stop for segment in segments)


def _frame(number: int) -> Frame:
    return Frame(
        number=number,
        sensing_time=datetime(2025, 3, 2, tzinfo=UTC),
        baseline="05.11",
        scale=1.0,
        offset=0.0,
        cloud_cover=None,
        nodata_percentage=None,
    )


@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=10),
    numbers=st.sets(st.integers(0, 60)),
)
def test_wanted_frames_are_in_their_segments_or_left_over(
    counts: list[int], numbers: set[int]
) -> None:
    segments = parse(dunia.playlist(counts).decode(), base=BASE, rate=25).segments
    held, left = locate(segments, [_frame(number) for number in sorted(numbers)])
    ranges = {each: {*range(each.start, each.stop + each.is_last)} for each in segments}
    assert list(held) == [each for each in segments if numbers & ranges[each]]
    for segment, frames in held.items():
        assert [frame.number for frame in frames] == sorted(numbers & ranges[segment])
    assert [frame.number for frame in left] == sorted(n for n in numbers if n > sum(counts))


def test_frames_before_the_first_segment_are_left_over() -> None:
    [segment] = _parse(ENTRY + "a.ts")
    later = replace(segment, start=8, stop=12)
    held, left = locate([later], [_frame(number) for number in (3, 8, 11)])
    assert [frame.number for frame in held[later]] == [8, 11]
    assert [frame.number for frame in left] == [3]


def test_a_long_address_does_not_fill_the_screen() -> None:
    with pytest.raises(PlaylistError) as raised:
        variant("", base=f"https://dunia.example/{'a' * 5000}")
    assert len(str(raised.value)) < 300
    assert re.search(r"a{100} is no HLS", str(raised.value))
