"""The command that makes a repository: flags in, one call to `generate`, words out.

Each question of copier.yml is a flag here; what no flag answers is asked in a terminal and
takes its default elsewhere. Knows no Copier and prints nothing itself.
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from . import answers as answering
from . import catalog, finish, generate, report, source, target, terminal
from .errors import STOPPED, UsageError, UserError

OTHERS = ("adopt", "add", "remove", "update", "diff", "status", "parts", "doctor")
"""The commands of `commands`: what is not a folder to make; `./add` is."""

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        report.data(f"{source.NAME} {source.version()}")
        raise typer.Exit


@app.command(
    epilog=f"In an existing project: adopt. In an agent's repository: {', '.join(OTHERS[1:])}."
)
@catalog.with_flags
def create(
    path: Annotated[
        Path | None, typer.Argument(help="The folder to make; `.` is this one.", show_default=False)
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    answers: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Read answers from JSON or YAML.")
    ] = None,
    minimal: Annotated[
        bool,
        typer.Option(
            "--minimal",
            help="Leave out all that can go: one model, SQLite, terminal only.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and ask nothing.")] = False,
    git: Annotated[bool, typer.Option(help="Make a git repository and a first commit.")] = True,
    install: Annotated[bool, typer.Option(help="Install what it needs (uv sync).")] = True,
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    **flags: str | list[str] | None,
) -> None:
    """Create an agent repository, yours from then on.

    In a terminal, what no flag answers is asked. Elsewhere, in CI and under coding agents,
    it takes its default.
    """
    stored = answering.read(answers) if answers else {}
    decided = catalog.minimal() if minimal else {}
    given = answering.check(
        decided | stored | {name: answer for name, answer in flags.items() if answer is not None}
    )
    ask = not (yes or as_json) and terminal.somebody_is_there()
    try:
        path = path or _folder(ask=ask)
        made = (generate.plan if dry_run else generate.new)(path, given, ask=ask)
    except KeyboardInterrupt:
        raise UserError("Stopped.", "Nothing was written.", code=STOPPED) from None
    if not ask:
        taken = {name: answer for name, answer in made.answers.items() if name not in given}
        report.defaults({name: answer for name, answer in taken.items() if answer})
    notes = [*made.notes, *([] if dry_run else _finish(made.path, git=git, install=install))]
    steps = _next(path, made)
    if as_json:
        shown = {"path": str(made.path), "answers": made.answers, "files": made.files}
        commands = [command for _, command in steps]
        report.as_json(shown | {"dry_run": dry_run, "notes": notes, "next": commands})
    elif dry_run:
        report.data("\n".join(made.files))
    else:
        report.created(made.path, made.files, notes, steps)
        report.pages(made.answers, made.files)


def _folder(*, ask: bool) -> Path:
    if not ask:
        works = f"This works: {source.launcher()} my-agent --yes"
        raise UsageError("PATH is missing, the folder to make.", works)
    return terminal.ask_folder(target.problem_with)


def _finish(path: Path, *, git: bool, install: bool) -> list[str]:
    """Install first, so that the first commit has the lock file; return what did not work."""
    notes: list[str | None] = []
    try:
        if install:
            with report.busy("Installing what it needs (uv sync)"):
                notes.append(finish.install(path))
        if git:
            notes.append(finish.init(path) or finish.commit(path))
    except KeyboardInterrupt:
        left = "The repository is complete; run `uv sync` in it and commit it."
        raise UserError(f"Stopped after {path} was made.", left, code=STOPPED) from None
    return [note for note in notes if note]


def _next(path: Path, made: generate.Made) -> list[tuple[str, str]]:
    """Return what to do now, as sentences with a command that can be pasted."""
    steps = [] if made.path == Path.cwd() else [("Go there", f"cd {shlex.quote(str(path))}")]
    steps.append(("Try it: no key, no network", "uv run agent demo"))
    for llm in made.answers["llm"][:1]:
        needs = f"Ask a model, once .env (see .env.example) has MODEL={llm}:<name> and its key"
        steps.append((needs, 'uv run agent run "Deploy the latest tag to staging"'))
    again = f"{source.launcher()} {shlex.quote(str(path))} --project-name {made.recreate}"
    return [*steps, ("Make the same again", again)]
