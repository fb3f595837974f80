"""A bucket is found as each cloud's own tools find it; the servers say whether that was right."""

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from servers import ACCOUNT, ACCOUNT_KEY, KEY, REGION, SECRET, Service
from stacgen.errors import OutputError, UsageError
from stacgen.store import open_store
from stacgen.store.environment import settings

NOWHERE = Path("/nowhere")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own, be it a variable or a profile."""
    import os  # noqa: PLC0415 - only here

    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def check(url: str, options: Mapping[str, str] | None = None) -> None:
    """Write and read where the URL points to."""
    store = open_store(url, options)
    store.write("x.json", b"{}", "application/json")
    assert store.read("x.json") == b"{}"


@pytest.mark.parametrize("kind", ["moto", "ceph", "azurite"])
def test_variables_are_enough(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Service = request.getfixturevalue(kind)
    url = service.bucket()
    for name, value in service.environment.items():
        if name != "AWS_ALLOW_HTTP":
            monkeypatch.setenv(name, value)
    check(f"{url}/some/prefix")


def test_a_wrong_secret_is_an_output_error(ceph: Service) -> None:
    with pytest.raises(OutputError, match=r"failed at x\.json"):
        check(ceph.bucket(), {**ceph.options, "secret_access_key": "wrong"})


def write_profiles(home: Path, endpoint: str, name: str) -> None:
    folder = home / ".aws"
    folder.mkdir()
    section = name if name == "default" else f"profile {name}"
    (folder / "config").write_text(f"[{section}]\nregion = {REGION}\nendpoint_url = {endpoint}\n")
    (folder / "credentials").write_text(
        f"[{name}]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )


@pytest.mark.parametrize("name", ["default", "frames"])
def test_a_profile_of_aws_is_enough(
    name: str, ceph: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = ceph.bucket()
    write_profiles(tmp_path, ceph.endpoint, name)
    if name != "default":
        monkeypatch.setenv("AWS_PROFILE", name)
    check(url)


def test_a_profile_that_does_not_exist_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_profiles(tmp_path, "http://127.0.0.1:9", "frames")
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(UsageError, match="no AWS profile 'other'"):
        open_store("s3://frames/x")


def test_profiles_that_cannot_be_read_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("region = without a section\n")
    with pytest.raises(UsageError, match="cannot be read"):
        open_store("s3://frames/x")


CANARY = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[x]\naws_access_key_id = 1\naws_secret_access_key {CANARY}\n", "line 3 is none of "),
        (f"\n{CANARY} = 1\n[x]\n", "line 2 comes before any [name]"),
        (f"[{CANARY}]\na = 1\n[{CANARY}]\n", "line 3 begins a profile that is there already"),
        (f"[x]\n{CANARY} = 1\n{CANARY} = 2\n", "line 3 sets what its profile sets already"),
        (f"[x]\nkey = {CANARY}\xff\n", "it is not UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_no_line_of_profiles_that_cannot_be_read_is_shown(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    """Nor by a traceback: people paste those into reports."""
    path = tmp_path / ".aws" / name
    path.parent.mkdir()
    path.write_text(text, "latin-1")
    with pytest.raises(UsageError) as caught:
        open_store("s3://frames/x")
    assert f"{path} cannot be read: {said}" in str(caught.value)
    assert str(caught.value).endswith("; mend it.")
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY.lower() not in shown.lower()  # names of keys are in small letters


def test_variables_go_before_a_profile_and_options_before_both(tmp_path: Path) -> None:
    write_profiles(tmp_path, "https://one.example", "default")
    found = settings("s3", {}, {"AWS_REGION": "r", "AWS_ENDPOINT_URL": "https://two"}, tmp_path)
    assert found == {"access_key_id": KEY, "secret_access_key": SECRET}  # obstore reads the rest
    assert settings("s3", {}, {"AWS_ACCESS_KEY_ID": "x"}, tmp_path) == {}
    found = settings("s3", {"endpoint": "https://three"}, {}, tmp_path)
    assert found["endpoint"] == "https://three"


def test_an_endpoint_without_tls_is_meant_by_who_names_it() -> None:
    for endpoint, expected in (("http://127.0.0.1:9000", "true"), ("https://s3.example", None)):
        found = settings("s3", {"endpoint": endpoint}, {}, NOWHERE)
        assert found.get("allow_http") == expected
    assert settings("s3", {}, {"AWS_ENDPOINT_URL": "http://x"}, NOWHERE) == {"allow_http": "true"}
    given = {"endpoint": "http://x", "allow_http": "false"}
    assert settings("s3", given, {}, NOWHERE) == given


def test_azure_is_known_by_account_and_key_or_by_a_connection_string(azurite: Service) -> None:
    plain = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": ACCOUNT_KEY}
    check(
        azurite.bucket(),
        {**settings("az", {}, plain, NOWHERE), "endpoint": azurite.endpoint, "allow_http": "true"},
    )
    text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k==;EndpointSuffix=example.net"
    assert settings("az", {}, {"AZURE_STORAGE_CONNECTION_STRING": text}, NOWHERE) == {
        "account_name": "a",
        "account_key": "k==",
        "endpoint": "https://a.blob.example.net",
    }


def test_google_is_left_to_obstore() -> None:
    assert settings("gs", {"x": "y"}, {"GOOGLE_BUCKET": "b"}, NOWHERE) == {"x": "y"}
