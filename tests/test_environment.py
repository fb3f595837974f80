"""A bucket is found as each cloud's own tools find it; the servers say whether that was right."""

import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from servers import ACCOUNT, ACCOUNT_KEY, KEY, REGION, SECRET, Service
from stacgen.errors import OutputError, UsageError
from stacgen.io.credentials import settings
from stacgen.io.stores import open_store


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
    with pytest.raises(UsageError, match=r"profile of AWS cannot be used: .*other"):
        open_store("s3://frames/x")


CANARY = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    "text",
    [
        f"[x]\naws_access_key_id = 1\naws_secret_access_key {CANARY}\n",
        f"\n{CANARY} = 1\n[x]\n",
        f"[{CANARY}]\na = 1\n[{CANARY}]\n",
        f"[x]\nkey = {CANARY}\xff\n",
    ],
)
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_no_line_of_profiles_that_cannot_be_read_is_shown(
    name: str, text: str, tmp_path: Path
) -> None:
    """Nor by a traceback: people paste those into reports."""
    path = tmp_path / ".aws" / name
    path.parent.mkdir()
    path.write_text(text, "latin-1")
    with pytest.raises(UsageError) as caught:
        open_store("s3://frames/x")
    assert str(path) in str(caught.value)
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY.lower() not in shown.lower()


def test_variables_precede_a_profile_and_options_precede_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(tmp_path, "https://one.example", "default")
    assert settings("s3", {})["endpoint"] == "https://one.example"
    assert settings("s3", {})["region"] == REGION
    assert settings("s3", {"endpoint": "https://three"})["endpoint"] == "https://three"
    assert settings("s3", {"access_key_id": "x"}) == {"access_key_id": "x"}
    monkeypatch.setenv("AWS_REGION", "r")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://two")
    assert settings("s3", {}).keys() == {"credential_provider"}  # obstore reads the rest
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    assert settings("s3", {}) == {}


def test_a_profile_may_ask_a_process_for_keys(
    ceph: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As company logins do; roles and SSO are had by the same way of botocore."""
    url = ceph.bucket()
    keys = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    (tmp_path / "config").write_text(
        f"[profile frames]\nregion = {REGION}\nendpoint_url = {ceph.endpoint}\n"
        f"credential_process = cat {tmp_path / 'keys.json'}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "frames")
    check(url)


def test_a_profile_without_boto3_is_a_usage_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where AWS's own tools would take one: it is named, or the default one has keys."""
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert settings("s3", {}) == {}
    write_profiles(tmp_path, "https://one.example", "default")
    with pytest.raises(UsageError, match=r"\[default\] of AWS needs boto3: pip install 'stacgen"):
        open_store("s3://frames/x")
    (tmp_path / ".aws" / "credentials").unlink()
    assert settings("s3", {}) == {}
    monkeypatch.setenv("AWS_PROFILE", "frames")
    with pytest.raises(UsageError, match=r"AWS_PROFILE=frames of AWS needs boto3"):
        open_store("s3://frames/x")


def test_an_endpoint_without_tls_is_meant_by_who_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint, expected in (("http://127.0.0.1:9000", "true"), ("https://s3.example", None)):
        assert settings("s3", {"endpoint": endpoint}).get("allow_http") == expected
    given = {"endpoint": "http://x", "allow_http": "false"}
    assert settings("s3", given) == given
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://x")
    assert settings("s3", {}) == {"allow_http": "true"}


def test_azure_is_known_by_account_and_key_or_by_a_connection_string(
    azurite: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_KEY", ACCOUNT_KEY)
    place = {"endpoint": azurite.endpoint, "allow_http": "true"}
    check(azurite.bucket(), {**settings("az", {}), **place})
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k==;EndpointSuffix=example.net"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert settings("az", {}) == {
        "account_name": "a",
        "account_key": "k==",
        "endpoint": "https://a.blob.example.net",
    }


def test_google_is_left_to_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_BUCKET", "b")
    assert settings("gs", {"x": "y"}) == {"x": "y"}
