"""Documents checked against the JSON schemas of STAC; the only module that knows jsonschema."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, best_match
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7

from stacgen.errors import UsageError
from stacgen.stac import stac_json

_CORE = "https://schemas.stacspec.org/v{version}/{kind}-spec/json-schema/{kind}.json"
_KINDS = {"Feature": "item", "Catalog": "catalog", "Collection": "collection"}


class Schemas:
    """The schemas of STAC's core, which come with pystac, and those of its extensions."""

    def __init__(self, folders: Sequence[Path], fetch: Callable[[str], bytes] | None) -> None:
        """Read the schemas of folders.

        Args:
            folders: Hold files with an `$id`, at any depth.
            fetch: Gets any other by its URL; None for no network.

        Raises:
            UsageError: A folder does not exist, or one of its files is not JSON.
        """
        self._fetch = fetch
        self._lock = threading.Lock()
        self._validators: dict[str, Draft7Validator | None] = {}
        """By their URLs; None for a schema that is not available."""

        self._missing: dict[str, str] = {}
        """The reasons for these, by URL."""

        known = get_local_schema_cache()
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(f"There is no folder of schemas at {folder}.")
            for path in sorted(folder.rglob("*.json")):
                try:
                    schema = json.loads(path.read_bytes())
                except ValueError as error:
                    raise UsageError(f"The schema {path} is not JSON: {error}.") from error
                if isinstance(schema, dict) and "$id" in schema:
                    known[schema["$id"].rstrip("#")] = schema
        empty: Any = Registry  # its own types do not know the argument that its pages name
        self._registry: Registry[Any] = empty(retrieve=self._retrieve).with_resources(
            (url, DRAFT7.create_resource(schema)) for url, schema in known.items()
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """The schemas that documents name and that were not available, a sentence per reason."""
        urls: dict[str, list[str]] = {}
        for url, reason in self._missing.items():
            urls.setdefault(reason.removeprefix(f"{url} "), []).append(url)
        return tuple(
            f"Nothing was checked against {', '.join(named)}: {reason}."
            for reason, named in urls.items()
        )

    def problems(self, document: stac_json.Document) -> list[str]:
        """One sentence for each schema that a document breaks; schemas not available are skipped.

        It may be called by several threads; each schema is fetched once.
        """
        kind = _KINDS.get(str(document.get("type")), "catalog")
        core = _CORE.format(version=document.get("stac_version"), kind=kind)
        found = []
        for url in map(str, [core, *document.get("stac_extensions", [])]):
            try:
                validator = self._validator(url)
                error = best_match(validator.iter_errors(document)) if validator else None
            except (Unresolvable, SchemaError, LookupError) as unusable:
                self._missing[url] = str(unusable.__cause__ or unusable).removesuffix(".")
                self._validators[url] = None
                continue
            if error is not None:
                found.append(f"{error.json_path}: {error.message[:200]} ({url}).")
        return found

    def _validator(self, url: str) -> Draft7Validator | None:
        with self._lock:
            if url not in self._validators:
                self._validators[url] = None
                schema = self._registry.get_or_retrieve(url).value.contents
                self._validators[url] = Draft7Validator(schema, registry=self._registry)
            return self._validators[url]

    def _retrieve(self, url: str) -> "Resource[Any]":
        if self._fetch is None:
            raise LookupError("it is in none of the folders")
        return DRAFT7.create_resource(json.loads(self._fetch(url)))
