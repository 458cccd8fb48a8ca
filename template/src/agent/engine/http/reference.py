"""The page `/docs`: every route of the API, rendered from `/openapi.json` without any script.

FastAPI's own page loads one from another server, which would then run where people are signed in.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from . import pages

router = APIRouter(route_class=pages.PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class Row:
    """One value that a route or a shape has."""

    name: str
    kind: str
    text: str


@router.get("/docs")
async def show_reference(request: Request) -> Response:
    described: dict[str, Any] = request.app.openapi()
    shapes = {
        name: _list_fields(shape) for name, shape in described["components"]["schemas"].items()
    }
    routes = [
        _describe(path, method, route)
        for path, methods in described["paths"].items()
        for method, route in methods.items()
    ]
    context = {"info": described["info"], "routes": routes, "shapes": shapes}
    return pages.render_page(request, "reference.html", **context)


def name_type(schema: dict[str, Any]) -> str:
    """Return the type of a value in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if choices := schema.get("anyOf"):
        return " or ".join(map(name_type, choices))
    if known := schema.get("enum"):
        return " or ".join(f'"{value}"' for value in known)
    if schema.get("type") == "array":
        return f"list of {name_type(schema.get('items', {}))}"
    return str(schema.get("const", schema.get("type", "any")))


def _describe(path: str, method: str, route: dict[str, Any]) -> dict[str, Any]:
    body = route.get("requestBody", {}).get("content", {}).get("application/json", {})
    rows = [
        _row(one["name"], one["schema"] | one, one["in"], required=one["required"])
        for one in route.get("parameters", ())
    ]
    shape = name_type(body["schema"]).partition(" ")[0] if body else ""
    return route | {"method": method.upper(), "path": path, "body": shape, "fields": rows}


def _list_fields(shape: dict[str, Any]) -> list[Row]:
    required = shape.get("required", ())
    return [
        _row(name, field, required=name in required)
        for name, field in shape.get("properties", {}).items()
    ]


def _row(name: str, schema: dict[str, Any], place: str = "", *, required: bool) -> Row:
    words = (name_type(schema), place, "required" if required else "")
    return Row(name, ", ".join(filter(None, words)), schema.get("description", ""))
