"""Copier, the engine: render a template, or bring a repository from one state to another.

The one module that knows it. Nothing here asks git about the network or runs what a template
says: none of ours has tasks, so nothing ever needs Copier's `--trust`.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from . import git, source
from .errors import UsageError, UserError
from .history import NEW
from .project import ANSWERS


def render(
    template: Path, target: Path, answers: Mapping[str, Any], *, ask: bool = False
) -> dict[str, Any]:
    """Render a plain folder into `target`; return every answer, computed ones too."""
    from copier import run_copy
    from plumbum import local

    # Without git, which Copier would ask about every single file of what is no repository.
    with _in_our_words(), local.env(PATH=""):
        done = run_copy(str(template), target, dict(answers), defaults=not ask, **_options())
    return dict(done.answers.combined)


def merge(project: Path, answers: Mapping[str, Any]) -> None:
    """Bring a repository, stamped with a history's, to the new state and to other answers.

    What cannot be merged is left between markers, as git does, and unmerged in the index.
    """
    from copier import run_update
    from plumbum import local

    with _in_our_words(), local.env():
        git.isolate(cast("MutableMapping[str, str]", local.env), local.env.getdict())
        run_update(project, dict(answers), vcs_ref=NEW, defaults=True, overwrite=True, **_options())


def stamp(project: Path, src_path: str, commit: str) -> None:
    """Say where updates come from; Copier wrote a folder of this machine."""
    file = project / ANSWERS
    text = re.sub(r"^_commit:.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
    lines = f"_commit: {commit}\n_src_path: {src_path}"
    text = re.sub(r"^_src_path:.*$", lambda _: lines, text, count=1, flags=re.MULTILINE)
    file.write_text(text, "utf-8", newline="\n")


def _options() -> dict[str, Any]:
    from copier import Settings

    # Not the user's own settings for Copier: they could answer for other templates.
    return {"quiet": True, "settings": Settings()}


@contextmanager
def _in_our_words() -> Iterator[None]:
    from copier.errors import CopierError
    from jinja2 import TemplateError
    from plumbum import ProcessExecutionError

    try:
        yield
    except KeyboardInterrupt:  # Copier's own is a CopierError too
        raise
    except (ValueError, TypeError) as error:
        raise _refused(str(error)) from error
    except (CopierError, TemplateError) as error:
        raise UserError(f"The template does not render: {error}", "Please report it.") from error
    except ProcessExecutionError as error:
        said = (str(error.stderr).strip().splitlines() or [str(error)])[-1]
        raise UserError(f"git failed: {said}", "Mend that, then try again.") from error


def _refused(message: str) -> UsageError:
    """Put Copier's words about an answer into ours."""
    starts = "(?:Validation error for question|Invalid choice for)"
    found = re.fullmatch(rf"{starts} '(\w+)': (.*)", message, re.DOTALL)
    if not found:
        return UsageError(message, f"See: {source.NAME} --help")
    name, problem = found.groups()
    return UsageError(f"{name}: {problem}", f"Give another with --{name.replace('_', '-')}.")
