"""Copier, the engine: render a template.

The one module that knows it. It runs nothing that a template says: none of ours has tasks, so
nothing ever needs Copier's `--trust`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UsageError, UserError
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


def stamp(project: Path, src_path: str, commit: str) -> None:
    """Say where updates come from; Copier wrote a folder of this machine."""
    file = project / ANSWERS
    text = re.sub(r"^_commit:.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
    quoted = f"'{commit}'" if commit.isdigit() else commit  # else YAML reads a number
    plain = re.fullmatch(r"[\w./:@+~-]+", src_path)
    lines = f"_commit: {quoted}\n_src_path: {src_path if plain else json.dumps(src_path)}"
    # Copier folds a long path with spaces.
    path = re.compile(r"^_src_path:.*(?:\n[ \t].*)*", re.MULTILINE)
    text = path.sub(lambda _: lines, text, count=1)
    file.write_text(text, "utf-8", newline="\n")


def _options() -> dict[str, Any]:
    from copier import Settings

    # Not the user's own settings for Copier: they could answer for other templates.
    return {"quiet": True, "settings": Settings()}


@contextmanager
def _in_our_words() -> Iterator[None]:
    from copier.errors import CopierError
    from jinja2 import TemplateError

    try:
        yield
    except KeyboardInterrupt:  # Copier's own is a CopierError too
        raise
    except (
        ArithmeticError,
        CopierError,
        LookupError,
        TemplateError,
        TypeError,
        ValueError,
    ) as error:
        raise _refused(str(error)) from error


def _refused(message: str) -> UserError:
    """Put Copier's words about an answer into ours; anything else is a fault of the template."""
    starts = "(?:Validation error for question|Invalid choice for)"
    found = re.fullmatch(rf"{starts} '(\w+)': (.*)", message, re.DOTALL)
    if not found:
        return UserError(f"The template does not render: {message}", "Please report it.")
    name, problem = found.groups()
    return UsageError(f"{name}: {problem}", f"Give another with --{name.replace('_', '-')}.")
