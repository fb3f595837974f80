"""The parameters and bodies of requests, as stac-fastapi checks them; others are refused."""

from typing import Annotated, Any, Literal

import attr
from fastapi import Query
from pydantic import BaseModel, Field, StrictBool, model_validator
from stac_fastapi.extensions.collection_search.request import BaseCollectionSearchGetRequest
from stac_fastapi.extensions.fields import FieldsExtension
from stac_fastapi.extensions.filter import FilterExtension
from stac_fastapi.extensions.filter.request import FilterLang
from stac_fastapi.extensions.sort import SearchSortExtension
from stac_fastapi.types.search import APIRequest, BaseSearchPostRequest, Limit

from stacgen.errors import UsageError
from stacgen.model import selection


class Search(BaseSearchPostRequest, extra="forbid"):
    """The body of a search without extensions."""

    collections: list[str] | str | None = None  # type: ignore[assignment]
    """One alone may be a text, as stac-api-validator sends it."""

    intersects: dict[str, Any] | None = None  # type: ignore[assignment]
    """GeoJSON, which the search reads; stac-pydantic warns of some that is sound."""

    @model_validator(mode="before")
    @classmethod
    def validate_spatial(cls, values: Any) -> Any:  # noqa: ANN401 - whatever was sent
        """Refuse what is no object, and two areas at once; takes the place of one that fails."""
        if not isinstance(values, dict):
            raise ValueError("The body of a search is a JSON object.")  # noqa: TRY004 - pydantic's
        if values.get("intersects") is not None and values.get("bbox") is not None:
            raise ValueError("Say bbox or intersects, not both.")
        bbox = values.get("bbox")
        if isinstance(bbox, list) and any(isinstance(each, bool) for each in bbox):
            raise ValueError("A bbox has numbers alone.")
        if isinstance(values.get("collections"), str):
            values["collections"] = [values["collections"]]
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
    include: list[str] | None = None
    exclude: list[str] | None = None


class _Selected(BaseModel):
    fields: _Chosen = Field(default_factory=_Chosen)


_Crs = Literal["http://www.opengis.net/def/crs/OGC/1.3/CRS84"]
"""Longitude and latitude in degrees, the only coordinates that filters are read in."""


class _Filtered(BaseModel):
    filter_expr: dict[str, Any] | StrictBool | str | None = Field(None, alias="filter")
    filter_crs: _Crs | None = Field(None, alias="filter-crs")
    filter_lang: FilterLang | None = Field(None, alias="filter-lang")


@attr.s
class _FilterQuery(APIRequest):
    filter_expr: Annotated[str | None, Query(alias="filter")] = attr.ib(default=None)
    filter_crs: Annotated[_Crs | None, Query(alias="filter-crs")] = attr.ib(default=None)
    filter_lang: Annotated[FilterLang | None, Query(alias="filter-lang")] = attr.ib(default=None)


@attr.s
class Sort(SearchSortExtension):
    """Order of Items or Collections."""

    POST = _Sorted


@attr.s
class Fields(FieldsExtension):
    """Choice of fields."""

    POST = _Selected


@attr.s
class Filter(FilterExtension):
    """Filters in CQL2, and the queryables."""

    GET = _FilterQuery
    POST = _Filtered


@attr.s
class Collections(BaseCollectionSearchGetRequest):
    """The query of a search among Collections; all answer unless there is a limit."""

    limit: Annotated[Limit | None, Query(description="Collections of a page.")] = attr.ib(
        default=None
    )
