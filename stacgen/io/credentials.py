"""The settings of a bucket and its credentials, from the environment as each cloud's tools read it.

obstore reads most of it by itself. This adds profiles of AWS, which botocore reads (with keys, SSO,
roles to assume, or a process that is asked), and connection strings of Azure.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stacgen.errors import UsageError

_AWS_IDENTITY = (
    *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Any of these says who is asking, and no profile is looked for unless one is named."""

_AWS_GIVEN = ("access_key_id", "skip_signature")
"""Settings that say so, too."""

_AWS_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AWS_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""They precede what a profile has."""

_AZURE_PLAIN = {"AZURE_STORAGE_ACCOUNT": "account_name", "AZURE_STORAGE_KEY": "account_key"}
_AZURE_PARTS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}

_NEEDS_BOTO3 = "needs boto3: pip install 'stacgen[aws]', or put keys into the environment with"
_EXPORT = "aws configure export-credentials --format env"


def settings(scheme: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments with which obstore opens a bucket: those given, and those of the environment.

    Args:
        scheme: Of its URL, `s3`.
        given: By obstore's names; these win.

    Raises:
        UsageError: A profile does not exist, cannot be read, or needs a package that is missing.
    """
    found: dict[str, Any] = {}
    if scheme in ("s3", "s3a"):
        found = _aws(given)
    elif scheme in ("az", "azure", "abfs", "abfss", "adl"):
        found = _azure()
    merged = found | dict(given)
    if endpoint(merged).startswith("http://"):
        # Who names such an endpoint wants it; obstore would ask to hear it twice.
        merged.setdefault("allow_http", "true")
    return merged


def endpoint(merged: Mapping[str, Any]) -> str:
    """The URL that a bucket is asked at, from its settings or the environment, or ""."""
    variables = (*_AWS_ENDPOINTS, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    from_environment = next((os.environ[name] for name in variables if name in os.environ), "")
    return str(merged.get("endpoint") or from_environment)


def _aws(given: Mapping[str, str]) -> dict[str, Any]:
    """Credentials, region and endpoint of the profile that AWS's own tools would take, if any."""
    if any(name.lower().removeprefix("aws_") in _AWS_GIVEN for name in given):
        return {}
    name = os.environ.get("AWS_PROFILE")
    files = [path for path in _aws_files() if path.is_file()]
    is_known = any(os.environ.get(variable) for variable in _AWS_IDENTITY)
    if name is None and (is_known or not files):
        return {}
    try:
        from botocore import exceptions, session  # noqa: PLC0415 - an extra
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - same
    except ImportError as error:
        if name is None and not any(map(_has_default, files)):
            return {}
        profile = "the profile [default]" if name is None else f"AWS_PROFILE={name}"
        raise UsageError(f"Reading {profile} of AWS {_NEEDS_BOTO3} `{_EXPORT}`.") from error
    opened = session.Session()
    try:
        profile = opened.get_scoped_config()
        found = {
            "region": opened.get_config_variable("region"),
            "endpoint": profile.get("endpoint_url"),
        }
        if opened.get_credentials() is not None:
            found["credential_provider"] = Boto3CredentialProvider(opened)
    except exceptions.BotoCoreError as error:
        # Not chained: the parser's own error quotes the line, and so perhaps a secret.
        fault = str(error).partition("\n")[0].strip(" .")
    else:
        for key, variables in (("region", _AWS_REGIONS), ("endpoint", _AWS_ENDPOINTS)):
            if any(os.environ.get(variable) for variable in variables):
                del found[key]
        return {key: value for key, value in found.items() if value is not None}
    raise UsageError(f"The profile of AWS cannot be used: {fault}.")


def _aws_files() -> Iterator[Path]:
    for variable, name in (
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ):
        yield Path(os.path.expanduser(os.environ.get(variable) or f"~/.aws/{name}"))  # noqa: PTH111 - no error without a home


def _has_default(file: Path) -> bool:
    """True for a file with keys of the default profile, which AWS's tools would take."""
    text = file.read_text("utf-8", "replace")
    section = re.search(r"^\[default\]([^\[]*)", text, re.MULTILINE)
    return section is not None and "aws_access_key_id" in section[1]


def _azure() -> dict[str, Any]:
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    pairs = dict(part.partition("=")[::2] for part in text.split(";") if part)
    found = {_AZURE_PARTS[key]: value for key, value in pairs.items() if key in _AZURE_PARTS}
    if "account_name" in found and "endpoint" not in found and "EndpointSuffix" in pairs:
        protocol = pairs.get("DefaultEndpointsProtocol", "https")
        found["endpoint"] = f"{protocol}://{found['account_name']}.blob.{pairs['EndpointSuffix']}"
    plain = {
        setting: os.environ[name] for name, setting in _AZURE_PLAIN.items() if name in os.environ
    }
    return found | plain
