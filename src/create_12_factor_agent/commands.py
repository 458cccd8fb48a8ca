"""The commands for a repository that was made before. Prints nothing itself."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from . import (
    adoption,
    catalog,
    change,
    doctor,
    history,
    looking,
    origin,
    parts,
    project,
    publish,
    summary,
    upkeep,
)
from . import answers as answering
from .adoption import Adoption
from .catalog import Answer, Question
from .errors import UsageError
from .upkeep import Wanted, carry_out

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Own an agent repository and keep it current.",
)

SOMETHING_NEWER = 4

Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="PART",
        help="Parts by name; `parts` lists them.",
        autocompletion=lambda: [part for one in catalog.questions() for part in one.parts],
    ),
]
Folder = Annotated[
    Path, typer.Option("--project", help="The repository.", show_default="where you are")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and ask nothing.")]
Install = Annotated[bool, typer.Option(help="Install what it needs then (uv sync).")]
Check = Annotated[
    bool, typer.Option("--check", help="Only look: exit code 0 is current, 4 is something newer.")
]
To = Annotated[
    str, typer.Option("--to", metavar="VERSION", help="A version.", show_default="the newest")
]
Since = Annotated[
    str,
    typer.Option(metavar="VERSION", help="The version to compare with.", show_default="yours"),
]
Resume = Annotated[
    bool, typer.Option("--continue", help="Finish a change that was stopped halfway.")
]
Abort = Annotated[
    bool, typer.Option("--abort", help="Undo the last change, if it is not committed yet.")
]


@app.command()
@catalog.with_smallest_flags
def adopt(
    path: Annotated[
        Path, typer.Argument(help="The folder of its pyproject.toml.", show_default="where you are")
    ] = Path(),
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Add the dependencies, by uv or Poetry.")
    ] = False,
    answers: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Read answers from JSON or YAML.")
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
    as_json: Json = False,
    **flags: str | list[str] | None,
) -> None:
    """Add an agent to an existing Python project, without changing its files.

    By default the agent is minimal: one model, SQLite, terminal only.
    """
    stored = answering.read(answers) if answers else {}
    flagged = {name: answer for name, answer in flags.items() if answer is not None}
    given = answering.check(stored | flagged)
    adoption.carry_out(path, given, Adoption(apply, yes, dry_run, as_json))


def _command_for(
    change_parts: Callable[[Mapping[str, Any], list[str], tuple[Question, ...]], dict[str, Answer]],
) -> Callable[..., None]:
    """Make a command that changes which parts there are."""

    def command(
        names: Parts,
        *,
        folder: Folder = Path(),
        yes: Yes = False,
        dry_run: DryRun = False,
        as_json: Json = False,
        install: Install = True,
    ) -> None:
        wanted = Wanted(yes=yes, dry_run=dry_run, as_json=as_json, install=install)
        carry_out(folder, wanted, lambda answers, known: change_parts(answers, names, known))

    return command


app.command("add", help="Add parts, in the version the repository has; your edits stay.")(
    _command_for(parts.added)
)
app.command("remove", help="Remove parts; asks first where you edited their files.")(
    _command_for(parts.removed)
)


@app.command()
def update(
    *,
    folder: Folder = Path(),
    to: To = "",
    check: Check = False,
    dry_run: DryRun = False,
    resume: Resume = False,
    abort: Abort = False,
    yes: Yes = False,
    as_json: Json = False,
    install: Install = True,
) -> None:
    """Bring the repository to the newest version; your edits stay."""
    _check_flags(
        {"--continue": resume, "--abort": abort, "--check": check, "--dry-run": dry_run},
        {"--to": bool(to), "--continue": resume, "--abort": abort},
    )
    if resume:
        upkeep.resume(folder, as_json=as_json)
    elif abort:
        upkeep.abort(folder, discard=yes, as_json=as_json)
    elif check:
        _check(folder, to, as_json=as_json)
    else:
        wanted = Wanted(yes=True, dry_run=dry_run, as_json=as_json, install=install)
        carry_out(folder, wanted, to=to)


def _check_flags(*exclusive: dict[str, bool]) -> None:
    """Refuse two flags that contradict each other."""
    for flags in exclusive:
        given = [flag for flag, is_given in flags.items() if is_given]
        if len(given) > 1:
            raise UsageError(f"{given[0]} and {given[1]} do not go together.", "Use one of them.")


def _check(folder: Path, to: str, *, as_json: bool) -> None:
    owned = project.find(folder)
    publish.check_whole(owned.path)
    with history.since(owned.src_path, owned.commit, newest=True, to=to) as past:
        news, followed = change.news(past, owned.answers), origin.followed(owned.src_path)
        summary.newer(past.before, past.after, news, followed, as_json=as_json)
        raise typer.Exit(SOMETHING_NEWER if past.moves else 0)


@app.command(name="diff")
def compare(
    file: Annotated[Path, typer.Argument(help="A file of the template.", show_default=False)],
    *,
    folder: Folder = Path(),
    since: Since = "",
    to: To = "",
    as_json: Json = False,
) -> None:
    """Show what you changed in a file, and what an update would change in it."""
    owned = project.find(folder)
    with history.since(owned.src_path, since or owned.commit, newest=True, to=to) as past:
        summary.compared(looking.compare(owned, past, file), as_json=as_json)


@app.command()
def status(folder: Folder = Path(), as_json: Json = False) -> None:
    """Show for each file of the template whether it is pristine, edited, deleted or yours."""
    owned = project.find(folder)
    publish.check_whole(owned.path)
    with history.since(owned.src_path, owned.commit, newest=False) as past:
        summary.status(past.before, looking.states(owned, past), as_json=as_json)


@app.command(name="parts")
def list_parts(folder: Folder = Path(), as_json: Json = False) -> None:
    """List the parts of this version, and which of them the repository has."""
    try:
        answers = project.find(folder).answers
    except UsageError:
        answers = {}
    summary.parts(parts.listing(answers, catalog.questions()), as_json=as_json)


@app.command(name="doctor")
def examine(folder: Folder = Path(), as_json: Json = False) -> None:
    """Look for what keeps the repository from running or changing; exit code 1 if there is any."""
    found = doctor.examine(folder)
    summary.findings(found, as_json=as_json)
    raise typer.Exit(int(any(finding.state == "bad" for finding in found)))
