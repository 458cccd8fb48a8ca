"""This installation: its template, the folder in the wheel or the checkout, and its version.

Knows no question and no Copier. What takes long to import is imported where it is used, here and in
all other modules: `--help` and `--version` stay fast.
"""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

NAME = "create-12-factor-agent"

_WHEEL = Path(__file__).parent / "_template"
_CHECKOUT = Path(__file__).parents[2]


def folder() -> Path:
    """Find the folder that holds `copier.yml` and `template/`."""
    for place in (_WHEEL, _CHECKOUT):
        if _is_template(place):
            return place
    raise UserError("This installation has lost its template.", f"Reinstall {NAME}.")


def bundle() -> Path | None:
    """Find the releases that came with this installation, as git can clone them."""
    releases = _WHEEL.with_suffix(".bundle")
    return releases if releases.is_file() else None


def checkout() -> Path | None:
    """Find the folder this program stands in or was installed from, if it holds a template."""
    if folder() == _CHECKOUT:
        return _CHECKOUT
    match direct_url():
        case {"url": str(address), "dir_info": _} if place := _local(address):
            return place if _is_template(place) else None
    return None


def version() -> str:
    """Return the version of this installation."""
    return _distribution().version


def url() -> str:
    """Return the canonical address of the template, from `[project.urls]`."""
    links = _distribution().metadata.get_all("Project-URL") or []
    return str(next(link.split(", ")[1] for link in links if link.startswith("Repository, ")))


def direct_url() -> dict[str, Any]:
    """Return what the installer recorded of a source that is no index (PEP 610)."""
    found: dict[str, Any] = json.loads(_distribution().read_text("direct_url.json") or "{}")
    return found


def launcher() -> str:
    """Return the command that starts this program again, from where this one came."""
    match direct_url():
        case {"url": address, "vcs_info": {"vcs": vcs, "commit_id": commit}}:
            place = f"{vcs}+{address}@{commit}"
        case {"url": str(address)}:
            place = str(_local(address) or address)
        case _:
            return f"uvx {NAME}"
    return f"uvx --from {shlex.quote(place)} {NAME}"


def _is_template(place: Path) -> bool:
    return (place / "copier.yml").is_file() and (place / "template").is_dir()


def _local(address: str) -> Path | None:
    from urllib.request import url2pathname

    plain = address.startswith("file://")
    return Path(url2pathname(address.removeprefix("file://"))) if plain else None


def _distribution() -> "Distribution":
    from importlib.metadata import distribution

    return distribution(NAME)
