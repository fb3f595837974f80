"""What stacgen is made of as CycloneDX 1.6: `python .ci/sbom.py stacgen.cdx.json`.

Run by the Python whose environment is described. Of the packages cyclonedx-py tells; here are added
the hashes of requirements.lock and what no index of packages knows: the native libraries inside the
wheels, with the versions that these libraries themselves report. An unknown version is left out.
"""

import argparse
import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOR_DEVELOPERS = {"test", "lint", "docs"}
"""Extras that are no part of what users install."""

_MODULES = {"pillow": "PIL", "odc-stac": "odc.stac"}
_SHARED = re.compile(
    r"(lib)?(?P<name>[A-Za-z].*?)(-\d{1,3})?(-[0-9a-f]{8,})*(\.so[.\d]*|[.\d]*\.dylib|\.dll)"
)

Component = dict[str, Any]
"""As CycloneDX has it in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A native library as its makers call it."""

    name: str
    files: tuple[str, ...]
    """Beginnings of the names of its files, without `lib`."""

    ask: Callable[[ctypes.CDLL], str | None] = lambda _: None
    """Its version, by its own word."""

    cpe: str = ""
    """Vendor and product, under which advisories name it."""


def called(symbol: str, *arguments: object) -> Callable[[ctypes.CDLL], str | None]:
    """The version in what a function of a library says."""

    def ask(library: ctypes.CDLL) -> str | None:
        function = getattr(library, symbol)
        function.restype = ctypes.c_char_p
        found = re.search(r"\d+(\.\d+)+", function(*arguments).decode())
        return found[0] if found else None

    return ask


def written(symbol: str) -> Callable[[ctypes.CDLL], str | None]:
    """The version that stands in a variable of a library, word for word."""

    def ask(library: ctypes.CDLL) -> str | None:
        value = ctypes.c_char_p.in_dll(library, symbol).value
        return value.decode() if value else None

    return ask


class _ProjInfo(ctypes.Structure):
    """The beginning of PJ_INFO."""

    _fields_ = (
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
        ("patch", ctypes.c_int),
        ("release", ctypes.c_char_p),
        ("version", ctypes.c_char_p),
        ("more", ctypes.c_void_p * 4),
    )


def _proj(library: ctypes.CDLL) -> str:
    """The version; where GDAL is built with a PROJ of its own, its names have a prefix."""
    try:
        function = library.proj_info
    except AttributeError:
        function = library.internal_proj_info
    function.restype = _ProjInfo
    version: bytes = function().version
    return version.decode()


FFMPEG = ("avutil", "avcodec", "avdevice", "avfilter", "avformat", "swresample", "swscale")
NATIVES = (
    Native(name="FFmpeg", files=FFMPEG, ask=called("av_version_info"), cpe="ffmpeg:ffmpeg"),
    Native(name="GDAL", files=("gdal",), ask=called("GDALVersionInfo", b"RELEASE_NAME"),
           cpe="osgeo:gdal"),
    Native(name="GEOS", files=("geos_c", "geos"), ask=called("GEOSversion")),
    Native(name="OpenSSL", files=("crypto", "ssl"), ask=called("OpenSSL_version", 0),
           cpe="openssl:openssl"),
    Native(name="PROJ", files=("proj",), ask=_proj, cpe="osgeo:proj"),
    Native(name="SQLite", files=("sqlite3",), ask=called("sqlite3_libversion"),
           cpe="sqlite:sqlite"),
    Native(name="XZ Utils", files=("lzma",), ask=called("lzma_version_string"), cpe="tukaani:xz"),
    Native(name="dav1d", files=("dav1d",), ask=called("dav1d_version")),
    Native(name="GnuTLS", files=("gnutls",), ask=called("gnutls_check_version", None),
           cpe="gnu:gnutls"),
    Native(name="libcurl", files=("curl",), ask=called("curl_version"), cpe="haxx:libcurl"),
    Native(name="libdeflate", files=("deflate",)),
    Native(name="libpng", files=("png16",), ask=called("png_get_libpng_ver", None),
           cpe="libpng:libpng"),
    Native(name="libtiff", files=("tiff",), ask=called("TIFFGetVersion"), cpe="libtiff:libtiff"),
    Native(name="libvpx", files=("vpx",), ask=called("vpx_codec_version_str"),
           cpe="webmproject:libvpx"),
    Native(name="OpenBLAS", files=("scipy_openblas",), ask=called("scipy_openblas_get_config64_")),
    Native(name="OpenJPEG", files=("openjp2",), ask=called("opj_version"),
           cpe="uclouvain:openjpeg"),
    Native(name="x265", files=("x265",), ask=written("x265_version_str")),
    Native(name="zstd", files=("zstd",), ask=called("ZSTD_versionString"),
           cpe="facebook:zstandard"),
)  # fmt: skip
"""Those whose versions matter most. Files of others are named as they are, without a version. Of
several files of one library, the first that begins as `files` does is asked."""

LINKED: dict[str, tuple[str, Callable[[], str]]] = {
    "isal": ("ISA-L", lambda: str(import_module("isal").ISAL_VERSION)),
    "pyarrow": ("Apache Arrow C++", lambda: str(import_module("pyarrow").cpp_version)),
}
"""Libraries that are a part of a module, and no file of their own."""


def needed(name: str, seen: set[tuple[str, str]], extra: str = "") -> set[str]:
    """The distributions that one needs here, itself among them, by canonical name."""
    if (name, extra) in seen:
        return set()
    seen.add((name, extra))
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()
    found = {str(canonicalize_name(name))}
    for line in lines:
        each = Requirement(line)
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            for inner in ("", *each.extras):
                found |= needed(each.name, seen, inner)
    return found


def described() -> Component:
    """The packages of this environment that users of stacgen have, and stacgen as their root."""
    seen: set[tuple[str, str]] = set()
    extras = set(metadata.metadata("stacgen").get_all("Provides-Extra") or []) - FOR_DEVELOPERS
    wanted = set[str]().union(*(needed("stacgen", seen, extra) for extra in ("", *extras)))
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    options = ["--sv", "1.6", "--output-reproducible", "--no-validate"]
    options += ["--pyproject", str(ROOT / "pyproject.toml")]
    told = subprocess.run([*command, *options], check=True, capture_output=True)  # noqa: S603
    document: Component = json.loads(told.stdout)
    document["components"] = [
        each for each in document["components"] if canonicalize_name(each["name"]) in wanted
    ]
    refs = {each["bom-ref"] for each in document["components"]} | {"root-component"}
    document["dependencies"] = [
        each | {"dependsOn": [ref for ref in each.get("dependsOn", []) if ref in refs]}
        for each in document["dependencies"]
        if each["ref"] in refs
    ]
    return document


def locked() -> dict[tuple[str, str], list[str]]:
    """The SHA-256 of the files of each package and version in the lock."""
    text = (ROOT / "requirements.lock").read_text()
    return {
        (str(canonicalize_name(each[1])), each[2]): re.findall(r"sha256:([0-9a-f]{64})", each[3])
        for each in re.finditer(r"^([\w.-]+)==(\S+) \\\n((?:\s+--hash=.*\n?)+)", text, re.MULTILINE)
    }


def distribution(package: Component, hashes: list[str]) -> Component:
    """Where a package comes from, with the hashes of its files, of which one was installed."""
    return {
        "type": "distribution",
        "url": f"https://pypi.org/project/{package['name']}/{package['version']}/",
        "comment": "hashes of all files of this version, as in requirements.lock",
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
    }


def shared(package: str) -> dict[str, list[Path]]:
    """The shared libraries that a wheel brings along, by name without `lib`."""
    found: dict[str, list[Path]] = {}
    for each in metadata.files(package) or []:
        name = _SHARED.fullmatch(each.name)
        folder = each.parts[0] if len(each.parts) > 1 else ""
        if name and (folder.endswith(".libs") or ".dylibs" in each.parts):
            found.setdefault(name["name"], []).append(Path(str(each.locate())))
    return found


def natives(package: str) -> Iterator[Component]:
    """The native libraries in a wheel, each with its files."""
    found = shared(package)
    if found or package in LINKED:
        with suppress(ImportError):  # so that its libraries are those which are asked
            import_module(_MODULES.get(package, package.replace("-", "_")))
    for native in NATIVES:
        names = sorted((each for each in found if each.startswith(native.files)),
                       key=lambda each: not each.startswith(native.files[0]))  # fmt: skip
        if names:
            files = [path for name in names for path in found.pop(name)]
            yield component(package, native, files)
    for name, files in found.items():
        yield component(package, Native(name=f"lib{name}", files=(name,)), files)
    if package in LINKED:
        name, ask = LINKED[package]
        yield part(package, name, ask())
    yield from told_by_wheel(package)


def component(package: str, native: Native, files: list[Path]) -> Component:
    """A native library with its files, and its version where it tells one."""
    version = None
    with suppress(OSError, AttributeError, ValueError):
        version = native.ask(ctypes.CDLL(str(files[0])))
    found = part(package, native.name, version)
    if native.cpe and version:
        found["cpe"] = f"cpe:2.3:a:{native.cpe}:{version}:*:*:*:*:*:*:*"
    found["components"] = [
        {
            "type": "file",
            "bom-ref": f"{package}:{path.name}",
            "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": sha256(path.read_bytes()).hexdigest()}],
        }
        for path in files
    ]
    return found


def part(package: str, name: str, version: str | None, purl: str = "") -> Component:
    """Something within a wheel."""
    generic = str(PackageURL("generic", None, name.lower().replace(" ", "-"), version))
    found = {"type": "library", "bom-ref": f"{package}:{purl or name}", "name": name}
    return found | ({"version": version} if version else {}) | {"purl": purl or generic}


def told_by_wheel(package: str) -> Iterator[Component]:
    """What a wheel itself says it was made of (PEP 770): crates of Rust, packages of Linux."""
    seen = set()
    for each in metadata.files(package) or []:
        if "sboms" not in each.parts or each.suffix != ".json":
            continue
        for told in json.loads(Path(str(each.locate())).read_bytes()).get("components", []):
            purl = told.get("purl", "")
            if purl and not purl.startswith("pkg:pypi/") and purl not in seen:
                seen.add(purl)
                yield part(package, told["name"], told.get("version"), purl)


def main() -> None:
    """Write the document, once the schema of CycloneDX has nothing against it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    bom, lock = described(), locked()
    for each in bom["components"]:
        name = str(canonicalize_name(each["name"]))
        hashes = lock.get((name, each["version"]))
        if hashes:
            each.setdefault("externalReferences", []).append(distribution(each, hashes))
        within = list(natives(name))
        if within:
            each["components"] = within
    text = json.dumps(bom, indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.exit(f"Not valid against the schema of CycloneDX 1.6: {fault}")
    output.write_text(text + "\n")


if __name__ == "__main__":
    main()
