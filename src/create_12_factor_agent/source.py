"""Where the template comes from: the folder in the wheel, or the checkout.

Also what a repository made from it records of its origin. Knows no question and no Copier.
What takes long to import is imported where it is used, here and in all other modules:
`--help` and `--version` stay fast.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

NAME = "create-12-factor-agent"

_WHEEL = Path(__file__).parent / "_template"
_CHECKOUT = Path(__file__).parents[2]


def folder() -> Path:
    """Find the folder that holds `copier.yml` and `template/`."""
    for place in (_WHEEL, _CHECKOUT):
        if (place / "copier.yml").is_file() and (place / "template").is_dir():
            return place
    raise UserError("This installation has lost its template.", f"Reinstall {NAME}.")


@contextmanager
def template() -> Iterator[Path]:
    """Give the template as a plain folder: Copier would clone a folder with a `.git`."""
    place = folder()
    if not (place / ".git").exists():
        yield place
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix=f"{NAME}-") as temporary:
        copy = Path(temporary)
        shutil.copy2(place / "copier.yml", copy)
        skip = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv")
        shutil.copytree(place / "template", copy / "template", symlinks=True, ignore=skip)
        yield copy


def version() -> str:
    """Return the version of this installation."""
    return _distribution().version


def url() -> str:
    """Return the canonical address of the template, from `[project.urls]`."""
    links = _distribution().metadata.get_all("Project-URL") or []
    return str(next(link.split(", ")[1] for link in links if link.startswith("Repository, ")))


def ref() -> str:
    """Return what `_commit` records: a release's tag, a commit, or a version that is neither.

    A changed checkout says `-dirty` or carries a date, so that nothing claims to be
    a state of the template that somebody else could fetch.
    """
    if folder() == _CHECKOUT and (described := _describe(_CHECKOUT)):
        return described
    now = version()
    if re.fullmatch(r"\d+\.\d+\.\d+", now):
        return f"v{now}"
    commit = re.fullmatch(r".*\+g([0-9a-f]+)", now)
    return commit[1] if commit else now


def launcher() -> str:
    """Return the command that starts this program again, from where this one came."""
    from urllib.request import url2pathname

    origin = json.loads(_distribution().read_text("direct_url.json") or "{}")
    match origin:
        case {"url": address, "vcs_info": {"vcs": vcs, "commit_id": commit}}:
            place = f"{vcs}+{address}@{commit}"
        case {"url": str(address)} if address.startswith("file:"):
            place = url2pathname(address.removeprefix("file://"))
        case {"url": str(address)}:
            place = address
        case _:
            return f"uvx {NAME}"
    return f"uvx --from {shlex.quote(place)} {NAME}"


def _distribution() -> "Distribution":
    from importlib.metadata import distribution

    return distribution(NAME)


def _describe(checkout: Path) -> str:
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--tags", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
