"""Every error leaves as `{"detail": "what is wrong and what to do now"}`."""

import logging
from collections.abc import Mapping
from math import ceil
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..log.errors import (
    AgentError,
    Conflict,
    Forgotten,
    RedactionFailed,
    Refused,
    ThreadNotFound,
    Unavailable,
)
from ..log.events import cut
from ..runners.reports import explain

log = logging.getLogger(__name__)

MAX_BODY = 1_000_000
"""Bytes."""
BROKEN = "something is broken here; the log of the server says what"
"""What people read of an error that is not theirs."""

STATUSES = {
    Forgotten: 410,
    ThreadNotFound: 404,
    Refused: 409,
    Conflict: 409,
    Unavailable: 503,
    RedactionFailed: 503,
}
_MEANINGS = {
    400: "A header is missing or not usable, or the body is not JSON.",
    401: "Not signed in, or the token is unknown.",
    403: "Only administrators may do this.",
    404: "No such thread, or no such agent.",
    410: "The thread was deleted.",
    409: "Refused; the thread is as it was.",
    413: f"The body has more than {MAX_BODY} bytes.",
    422: "The request does not fit, or its Idempotency-Key came with another text before.",
    503: "The store is not reachable now. Send it again later, with the same key if it has one.",
}
_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_HEADERS = {401: "WWW-Authenticate", 503: "Retry-After"}


class Problem(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    detail: str
    """What is wrong and what to do now."""


def document_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route for OpenAPI.

    By reference: FastAPI would give a model the media type of its route, wrong for a stream.
    """
    return {
        status: {"description": _MEANINGS[status], "content": {"application/json": _PROBLEM}}
        | ({"headers": {name: describe_header()}} if (name := _HEADERS.get(status)) else {})
        for status in statuses
    }


def describe_header() -> dict[str, Any]:
    return {"required": True, "schema": {"type": "string"}}


def install(api: FastAPI) -> None:
    """Give every error its status, in one place."""
    api.add_exception_handler(ClientDisconnect, _answer_departed)
    api.add_exception_handler(AgentError, _answer_agent_error)
    api.add_exception_handler(RequestValidationError, _answer_invalid)
    api.add_exception_handler(405, _answer_not_allowed)
    api.add_exception_handler(Exception, _answer_unexpected)


def make_problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"detail": cut(detail, 1000)}, status, headers)


async def _answer_agent_error(_: Request, error: Exception) -> JSONResponse:
    retry = {}
    if isinstance(error, Unavailable):
        retry = {"Retry-After": str(ceil(error.retry_after_s or 1))}
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log.warning("a request failed: %s", explain(error))
    return make_problem(status, str(error), retry)


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError), "it is registered for this one alone"
    faults = error.errors()
    unreadable = any(fault["loc"][0] == "header" or "json" in fault["type"] for fault in faults)
    detail = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    return make_problem(400 if unreadable else 422, detail)


async def _answer_not_allowed(request: Request, error: Exception) -> JSONResponse:
    """Name every method of the path; the router knows only those of the first route it met."""
    assert isinstance(error, HTTPException), "it is registered for 405 alone"
    path = getattr(request.scope.get("route"), "path", "")
    methods = ", ".join(request.app.openapi()["paths"].get(path, {})).upper()
    allowed = {"Allow": methods} if methods else error.headers
    return make_problem(405, f"this path does not take {request.method}", allowed)


async def _answer_departed(_: Request, error: Exception) -> Response:
    """Say nothing to a client that left before its request was complete."""
    return Response(status_code=400)


async def _answer_unexpected(_: Request, error: Exception) -> JSONResponse:
    return make_problem(500, BROKEN)
