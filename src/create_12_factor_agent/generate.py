"""Render the template: a whole repository, or nothing at all. The one module that knows Copier."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import source
from .errors import UsageError, UserError
from .target import ELSEWHERE, available, publish, staging


@dataclass(frozen=True)
class Made:
    """A rendered repository."""

    path: Path
    answers: Mapping[str, Any]
    files: tuple[str, ...]
    """Relative, with slashes, sorted."""
    recreate: str
    """The arguments that make the same again, quoted for a shell."""


def new(target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    """Make the repository `target`; with `ask`, the answers that are missing are asked for.

    Raises: UserError, and the target and its parents are as they were.
    """
    target = available(target)
    try:
        with staging(target) as folder:
            made = _render(folder / target.name, target, answers, ask=ask)
            publish(folder / target.name, target)
    except OSError as error:
        raise UserError(f"Cannot write {target}: {error.strerror}.", ELSEWHERE) from error
    return made


def plan(target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    """Tell what `new` would make, writing nothing near the target."""
    from tempfile import TemporaryDirectory

    target = available(target)
    with TemporaryDirectory(prefix=f"{source.NAME}-") as folder:
        return _render(Path(folder, target.name), target, answers, ask=ask)


def _render(staged: Path, target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    import yaml

    recreate = _copy(staged, answers, ask=ask)
    answers_file = staged / ".copier-answers.yml"
    _stamp(answers_file)
    for path in (staged, *staged.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # a read-only installation renders read-only files
    files = [file.relative_to(staged).as_posix() for file in staged.rglob("*") if file.is_file()]
    stored = yaml.safe_load(answers_file.read_bytes())
    kept = {name: stored[name] for name in stored if not name.startswith("_")}
    return Made(target, kept, tuple(sorted(files)), recreate)


def _copy(staged: Path, answers: Mapping[str, Any], *, ask: bool) -> str:
    """Let Copier make `staged`; return the arguments that make it again."""
    from copier import Settings, run_copy
    from copier.errors import CopierError
    from jinja2 import TemplateError
    from plumbum import local

    settings = Settings()  # not the user's own for Copier: they could answer for other templates
    try:
        # Without git, which Copier would ask about every single file of what is no repository.
        with source.template() as template, local.env(PATH=""):
            done = run_copy(
                str(template),
                staged,
                dict(answers),
                defaults=not ask,
                quiet=True,
                settings=settings,
            )
    except KeyboardInterrupt:  # Copier's own is a CopierError too
        raise
    except ValueError as error:
        raise _refused(str(error)) from error
    except (CopierError, TemplateError) as error:
        raise UserError(f"The template does not render: {error}", "Please report it.") from error
    return str(done.answers.combined["recreate"])


def _refused(message: str) -> UsageError:
    """Put Copier's words about an answer into ours."""
    found = re.fullmatch(r"Validation error for question '(\w+)': (.*)", message, re.DOTALL)
    if not found:
        return UsageError(message, f"See: {source.NAME} --help")
    name, problem = found.groups()
    return UsageError(f"{name}: {problem}", f"Give another with --{name.replace('_', '-')}.")


def _stamp(answers_file: Path) -> None:
    """Say where updates come from; Copier wrote the path of a folder of this machine."""
    text = re.sub(r"^_commit:.*\n", "", answers_file.read_text("utf-8"), flags=re.MULTILINE)
    origin = f"_commit: {source.ref()}\n_src_path: {source.url()}"
    text = re.sub(r"^_src_path:.*$", origin, text, count=1, flags=re.MULTILINE)
    answers_file.write_text(text, "utf-8", newline="\n")
