"""The bill of materials names what is inside the wheels, as the libraries themselves report it."""

import copy
import json
import re
import ssl
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import isal
import pyproj
import pytest
import rasterio
import shapely
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

Component = dict[str, Any]


@pytest.fixture(scope="module")
def bom(tmp_path_factory: pytest.TempPathFactory) -> Component:
    """What the script writes, which it does only once the schema has nothing against it."""
    path = tmp_path_factory.mktemp("sbom") / "stacgen.cdx.json"
    subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py", path], check=True)
    found: Component = json.loads(path.read_text())
    return found


def package(bom: Component, name: str) -> Component:
    return next(each for each in bom["components"] if each["name"] == name)


def within(bom: Component, name: str) -> dict[str, Component]:
    return {each["name"]: each for each in package(bom, name)["components"]}


def test_it_is_cyclonedx_and_the_validator_would_say_so_if_not(bom: Component) -> None:
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["name"] == "stacgen"
    small = {**bom, "components": [copy.deepcopy(package(bom, "av"))], "dependencies": []}
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(small)) is None
    del small["components"][0]["components"][0]["name"]
    assert validator.validate_str(json.dumps(small)) is not None


def test_native_libraries_have_the_versions_that_they_report(bom: Component) -> None:
    assert within(bom, "av")["FFmpeg"]["version"] == av.ffmpeg_version_info
    assert within(bom, "rasterio")["GDAL"]["version"] == rasterio.__gdal_version__
    assert within(bom, "rasterio")["PROJ"]["version"] == rasterio.__proj_version__
    assert within(bom, "rasterio")["GEOS"]["version"] == rasterio.__geos_version__
    assert within(bom, "pyproj")["PROJ"]["version"] == pyproj.proj_version_str
    assert within(bom, "shapely")["GEOS"]["version"] == shapely.geos_version_string
    assert within(bom, "isal")["ISA-L"]["version"] == isal.ISAL_VERSION


def test_those_that_no_python_function_tells_are_there_too(bom: Component) -> None:
    assert {"x265", "GnuTLS", "dav1d"} <= set(within(bom, "av"))
    assert {"OpenSSL", "libtiff", "libdeflate", "libcurl", "SQLite"} <= set(within(bom, "rasterio"))
    assert re.match(r"\d+\.\d+", within(bom, "av")["x265"]["version"])
    assert re.fullmatch(r"4\.\d+\.\d+", within(bom, "rasterio")["libtiff"]["version"])
    assert "version" not in within(bom, "rasterio")["libdeflate"]  # which has no way to tell
    assert within(bom, "rasterio")["OpenSSL"]["version"] not in ssl.OPENSSL_VERSION


def test_advisories_can_be_looked_up_by_the_name_that_they_use(bom: Component) -> None:
    version = av.ffmpeg_version_info
    assert within(bom, "av")["FFmpeg"]["cpe"] == f"cpe:2.3:a:ffmpeg:ffmpeg:{version}:*:*:*:*:*:*:*"
    assert within(bom, "av")["FFmpeg"]["purl"] == f"pkg:generic/ffmpeg@{version}"
    assert within(bom, "obstore")["rustls"]["purl"].startswith("pkg:cargo/rustls@")


def test_every_shared_library_in_a_wheel_is_named_with_its_hash(bom: Component) -> None:
    files = {path.name for path in Path(rasterio.__file__).parents[1].glob("rasterio.libs/*.so*")}
    named = {
        file["name"]: file["hashes"][0]["content"]
        for native in package(bom, "rasterio")["components"]
        for file in native.get("components", [])
    }
    assert set(named) == files
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in named.values())


def test_packages_have_purl_licence_and_the_hashes_of_the_lock(bom: Component) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for each in bom["components"]:
        assert each["purl"].lower().startswith("pkg:pypi/")
        came = [ref for ref in each.get("externalReferences", []) if "hashes" in ref]
        name = re.escape(str(canonicalize_name(each["name"])))
        if re.search(rf"^{name}=={re.escape(each['version'])} ", lock, re.MULTILINE):
            assert all(found["content"] in lock for found in came[0]["hashes"]), each["name"]
    assert package(bom, "rasterio")["licenses"]
    assert sum("licenses" in each for each in bom["components"]) > 0.9 * len(bom["components"])


def test_what_users_do_not_install_is_left_out(bom: Component) -> None:
    names = {canonicalize_name(each["name"]) for each in bom["components"]}
    needed = [line for line in metadata.requires("stacgen") or [] if "extra" not in line]
    assert {canonicalize_name(re.split(r"[\[>=<]", line)[0]) for line in needed} <= names
    assert {"matplotlib", "distributed", "odc-stac"} <= names
    assert not {"pytest", "mypy", "moto", "mkdocs", "zizmor"} & names
    refs = {each["bom-ref"] for each in bom["components"]} | {"root-component"}
    for each in bom["dependencies"]:
        assert {each["ref"], *each.get("dependsOn", [])} <= refs
