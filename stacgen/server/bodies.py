"""The bodies of searches, as stac-fastapi checks them; but what is not known is refused."""

from typing import Any, Literal

import attr
from pydantic import BaseModel, model_validator
from stac_fastapi.extensions.fields import FieldsExtension
from stac_fastapi.extensions.sort import SearchSortExtension
from stac_fastapi.types.search import BaseSearchPostRequest

from stacgen import selection
from stacgen.errors import UsageError


class Search(BaseSearchPostRequest, extra="forbid"):
    """The body of a search without extensions."""

    @model_validator(mode="before")
    @classmethod
    def validate_spatial(cls, values: Any) -> Any:  # noqa: ANN401 - whatever was sent
        """Refuse what is no object, and two areas at once; takes the place of one that fails."""
        if not isinstance(values, dict):
            raise ValueError("The body of a search is a JSON object.")  # noqa: TRY004 - pydantic's
        if values.get("intersects") is not None and values.get("bbox") is not None:
            raise ValueError("Say bbox or intersects, not both.")
        interval = values.get("datetime")
        if isinstance(interval, str):
            try:
                selection.parse_interval(interval)
            except UsageError as error:  # stac-pydantic's reader overflows
                raise ValueError(str(error)) from error
        return values


class _Key(BaseModel, extra="forbid"):
    field: str
    direction: Literal["asc", "desc"]


class _Sorted(BaseModel):
    sortby: list[_Key] | None = None


class _Chosen(BaseModel, extra="forbid"):
    include: set[str] | None = None
    exclude: set[str] | None = None


class _Selected(BaseModel):
    fields: _Chosen | None = None


@attr.s
class Sort(SearchSortExtension):
    """Sorting; by its older name, too, which is the one that pystac-client looks for."""

    POST = _Sorted
    conformance_classes: list[str] = attr.ib(
        factory=lambda: [
            f"https://api.stacspec.org/{version}/item-search#sort"
            for version in ("v1.0.0", "v1.1.0")
        ]
    )


@attr.s
class Fields(FieldsExtension):
    """Choosing fields."""

    POST = _Selected
