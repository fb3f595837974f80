"""Where a bucket is and who may use it, from the environment as the tools of each cloud read it.

obstore reads most of it by itself. This adds what the clouds' own programs read beside that: a
profile of AWS, a connection string of Azure.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from stacgen.errors import UsageError

_AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
"""Any of these tells who it is, and no profile is looked for unless one is named."""

_AWS_SETTINGS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "endpoint_url": "endpoint",
    "region": "region",
}
_AWS_OVERRIDES = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
}
"""What the environment says goes before what a profile says."""

_AZURE_PLAIN = {"AZURE_STORAGE_ACCOUNT": "account_name", "AZURE_STORAGE_KEY": "account_key"}
_AZURE_PARTS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}


def settings(
    scheme: str, given: Mapping[str, str], environment: Mapping[str, str], home: Path | None
) -> dict[str, str]:
    """The settings of a bucket: those given, and what the environment adds to them.

    Args:
        scheme: Of its URL, `s3`.
        given: By obstore's names; these win.
        environment: The variables.
        home: Where `.aws` lies; None for nowhere.

    Raises:
        UsageError: A profile is named that does not exist, or cannot be read.
    """
    found: dict[str, str] = {}
    if scheme in ("s3", "s3a"):
        found = _aws(environment, home)
    elif scheme in ("az", "azure", "abfs", "abfss", "adl"):
        found = _azure(environment)
    merged = found | dict(given)
    if endpoint(merged, environment).startswith("http://"):
        # Who names such an endpoint wants it; obstore would ask to hear it twice.
        merged.setdefault("allow_http", "true")
    return merged


def _aws(environment: Mapping[str, str], home: Path | None) -> dict[str, str]:
    name = environment.get("AWS_PROFILE")
    if name is None and any(environment.get(key) for key in _AWS_KEYS):
        return {}
    profile = name or "default"
    folder = Path(os.devnull) if home is None else home / ".aws"
    files = {
        environment.get("AWS_CONFIG_FILE") or folder / "config": (
            profile if profile == "default" else f"profile {profile}"
        ),
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials": profile,
    }
    found: dict[str, str] = {}
    known = False
    for path, section in files.items():
        parser = _profiles(path)
        if parser.has_section(section):
            known = True
            found |= {
                _AWS_SETTINGS[key]: value
                for key, value in parser.items(section)
                if key in _AWS_SETTINGS
            }
    if name is not None and not known:
        raise UsageError(f"There is no AWS profile {name!r} (AWS_PROFILE) in {folder}.")
    for key, variables in _AWS_OVERRIDES.items():
        if any(environment.get(each) for each in variables):
            found.pop(key, None)
    return found


def _profiles(path: str | Path) -> configparser.RawConfigParser:
    """The profiles in a file of AWS, if there is one.

    What the parser says of a wrong line has that line, and so perhaps a secret. The error is made
    where the parser's is over, for then no traceback shows it.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        fault = _fault(error)
    else:
        return parser
    raise UsageError(f"The profiles in {path} cannot be read: {fault}; mend it.")


def _fault(error: Exception) -> str:
    """What is wrong with which line, without a word of it."""
    match error:
        case configparser.DuplicateSectionError(lineno=line):
            return f"line {line} begins a profile that is there already"
        case configparser.DuplicateOptionError(lineno=line):
            return f"line {line} sets what its profile sets already"
        case configparser.MissingSectionHeaderError(lineno=line):
            return f"line {line} comes before any [name]"
        case configparser.ParsingError(errors=[(line, _), *_]):
            return f"line {line} is none of [name] or key = value"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case _:
            return "it is not in the format of AWS"


def _azure(environment: Mapping[str, str]) -> dict[str, str]:
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    pairs = dict(part.partition("=")[::2] for part in text.split(";") if part)
    found = {_AZURE_PARTS[key]: value for key, value in pairs.items() if key in _AZURE_PARTS}
    if "account_name" in found and "endpoint" not in found and "EndpointSuffix" in pairs:
        protocol = pairs.get("DefaultEndpointsProtocol", "https")
        found["endpoint"] = f"{protocol}://{found['account_name']}.blob.{pairs['EndpointSuffix']}"
    plain = {
        setting: environment[name] for name, setting in _AZURE_PLAIN.items() if name in environment
    }
    return found | plain


def endpoint(merged: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return the URL that a bucket is asked at, from its settings or the environment, or ""."""
    variables = (*_AWS_OVERRIDES["endpoint"], "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    from_environment = next((environment[name] for name in variables if name in environment), "")
    return merged.get("endpoint") or from_environment
