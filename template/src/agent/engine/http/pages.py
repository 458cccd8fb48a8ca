"""What every HTML page of this server needs: a template, strict headers, errors people can read.

Whatever is shown is data and may be hostile. Jinja escapes it, `clean` spells out what a browser
would obey, and the Content-Security-Policy runs nothing but our own files. Who is signed in is
the business of `sessions`.
"""

from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from importlib.metadata import entry_points
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from ..characters import clean, quote
from ..log.errors import AgentError
from ..people import cards
from ..people.words import format_value
from .calls import format_brief, list_rows
from .problems import STATUSES
from .service import get_service

OURS = __package__
"""Its `html/` has what all pages share."""
MAX_FIELDS = 200
"""Of one form."""
FORMS = "agent_forms"
"""The cookie behind the forms of people whom another application signs in."""

_ROOT = __package__.partition(".")[0]
_OURS = "style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'"
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; {_OURS}; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers hide from us too which site sent a form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def render_page(
    request: Request, template: str, status: int = 200, *, home: str = OURS, **context: Any
) -> Response:
    """Render a template of `html/` in the package `home`.

    It knows the `session` where somebody is signed in, whether there is an inbox at `/`, and whose
    page it is: of which project, and of which `agent` if there is only one.
    """
    service = get_service(request)
    agents, session = [*service.app.ports.agents], getattr(request.state, "session", None)
    known = {
        "session": session,
        "signs_out": service.sign_in.router is not None,
        "has_inbox": service.thread_page is not None,
        "product": find_project() or agents[0],
        "agent": agents[0] if len(agents) == 1 else "",
        "cards": cards,
        "root": get_root(request),
    }
    shown = _make_environment(home).get_template(template).render(known | context)
    response = HTMLResponse(shown, status, _HEADERS)
    if session and session.fresh:
        set_cookie(request, response, FORMS, session.fresh)
    return response


@cache
def find_project() -> str:
    """Return the name of the project that installed the command `agent`; "" if there is none."""
    commands = entry_points(group="console_scripts", name="agent")
    ours = (one.dist for one in commands if one.value.startswith(f"{_ROOT}."))
    return next((project.name for project in ours if project), "")


def get_root(request: Request) -> str:
    """Return the path prefix of this server behind a proxy, without a trailing slash."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def find_target(request: Request) -> str:
    """Return the path of a request, with the prefix and its query."""
    path, query = request.url.path, request.url.query
    return f"{path}?{query}" if query else path


def redirect(request: Request, path: str) -> Response:
    """Send a browser to another page of ours, as GET."""
    return RedirectResponse(get_root(request) + path, 303, _HEADERS)


def set_cookie(
    request: Request, response: Response, name: str, secret: str, max_age: int | None = None
) -> None:
    """Give a browser a secret that no script reads, for these pages alone."""
    path, secure = get_root(request) or "/", request.url.scheme == "https"
    response.set_cookie(
        name, secret, max_age, path=path, httponly=True, samesite="lax", secure=secure
    )


def is_from_here(request: Request) -> bool:
    """Say whether a request was sent by a page of this server, as far as the browser tells."""
    if site := request.headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


async def read_form(request: Request) -> dict[str, str]:
    """Read a form: safe text by field.

    Raises:
        HTTPException: another site sent it, or it is no form of ours.
    """
    if not is_from_here(request):
        raise HTTPException(403, "This form came from another site; nothing was done.")
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This is no form of these pages; nothing was done.")
    body = (await request.body()).decode("latin-1")
    try:
        fields = parse_qsl(
            body, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise HTTPException(422, f"A form has at most {MAX_FIELDS} fields.") from None
    return {name: value.replace("\r\n", "\n").replace("\0", "\ufffd") for name, value in fields}


Form = Annotated[dict[str, str], Depends(read_form)]


class PageRoute(APIRoute):
    """A route for people: what goes wrong is a page too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (AgentError, HTTPException, RequestValidationError) as error:
                return _render_problem(request, error)

        return handled


class Static(StaticFiles):
    """The style sheet and the script of the pages; a browser asks whether they changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS | {"Cache-Control": "no-cache"})
        return response


def install(api: FastAPI) -> None:
    """Serve what the pages refer to."""
    api.mount("/static", Static(packages=[(__package__, "static")]), name="static")


def _render_problem(
    request: Request, error: AgentError | HTTPException | RequestValidationError
) -> Response:
    status, detail, headers = 422, "This address is not complete.", dict[str, str]()
    match error:
        case AgentError():
            status, detail = STATUSES.get(type(error), 500), str(error)
        case HTTPException():
            status, detail = error.status_code, str(error.detail)
            headers |= error.headers or {}
    if status < 400:
        return Response(status_code=status, headers=headers | _HEADERS)
    title = HTTPStatus(status).phrase
    response = render_page(request, "problem.html", status, title=title, detail=detail)
    if status == 503:
        headers.setdefault("Retry-After", "1")
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


@cache
def _make_environment(home: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(one, "html") for one in (home, OURS)]),
        autoescape=True,
        finalize=_show_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "format_brief": format_brief,
        "format_value": format_value,
        "list_rows": list_rows,
        "quote": quote,
        "write_name": cards.write_name,
    }
    return environment


def _show_clean(value: Any) -> Any:
    return value if isinstance(value, Markup) else clean(str(value))
