"""The OpenAPI document, with every status that the server answers with."""

from copy import deepcopy
from typing import Any

from fastapi import FastAPI

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.1"

_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
    "required": ["code", "description"],
}
_JSON = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_ALWAYS: dict[str, Any] = {
    "400": {"description": "The request is not understood.", "content": _JSON},
    "404": {"description": "There is no such thing.", "content": {**_JSON, **_TEXT}},
    "421": {"description": "The server has another name.", "content": _TEXT},
    "503": {
        "description": "The catalog cannot be read now, or too many clients ask.",
        "content": {**_JSON, **_TEXT},
    },
}
_OF_POST: dict[str, Any] = {"413": {"description": "The body is too large.", "content": _TEXT}}


_CHOSEN = {"type": "object", "required": ["links", "numberMatched", "numberReturned"]}
"""An answer whose Items or Collections have the fields that were asked for, and maybe no others."""


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application; invalid requests are answered with 400, never 422."""
    made = deepcopy(app.openapi())
    schemas = made["components"]["schemas"]
    schemas["Error"] = _ERROR
    for path in made["paths"].values():
        for method, operation in path.items():
            for parameter in operation.get("parameters", ()):
                parameter.pop("examples", None)  # of other catalogs
            responses = operation["responses"]
            responses.pop("422", None)
            if "fields" in str(operation.get("parameters")) or method == "post":
                for content in responses["200"]["content"].values():
                    content["schema"] = _CHOSEN
            responses |= _ALWAYS | (_OF_POST if method == "post" else {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return made
