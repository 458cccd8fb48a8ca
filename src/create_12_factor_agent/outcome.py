"""What a change did, or would do, and what it leaves to its owner: in words, or as JSON."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict

from . import source
from .adopt import Plan
from .change import Change
from .handing import Handover
from .host.lines import Lines
from .host.sections import tests as run_tests
from .journal import Journal
from .report import as_json as print_json
from .report import data, listed, pages, say, verbatim
from .summary import list_news

CHECKS = "make check test"

MERGE = "To merge by hand, between <<<<<<< and >>>>>>>, then `git add` each:"
DIFF = f"{source.NAME} diff FILE"
LEFT_OUT = f"Left out, also by updates, because yours are there (see the agent's: {DIFF}):"
UNDO = f"To undo it before you commit: {source.NAME} update --abort"


def changed(done: Change, notes: Iterable[str], *, dry_run: bool, as_json: bool) -> None:
    """Report what a change did, or would do, and what is left to its owner."""
    if as_json:
        print_json(asdict(done) | {"notes": [*notes], "dry_run": dry_run})
        return
    if dry_run:
        data(done.diff.removesuffix("\n"))
    verb = "Would change" if dry_run else "Changed"
    way = done.before if done.before == done.after else f"{done.before} to {done.after}"
    say(f"{verb} {_count(done.files)} ({way}).", style="bold")
    list_news(done.news)
    listed("Arrived under the names that you gave them:", _pairs(done.followed))
    _left(done)
    listed(f"New files of the sample, which is yours (see one: {DIFF}):", done.offered)
    listed("New settings for .env (from .env.example):", done.needs)
    for note in notes:
        say(f"Note: {note}", style="yellow")
    if done.before == done.after:
        pages(done.answers, done.files)
    if done.handover:
        _handed_over(done.handover)
    if not dry_run:
        listed("Next:", _next(done.handover.tests if done.handover else CHECKS))
        say(UNDO)


def adopted(
    plan: Plan, left: Iterable[Lines], notes: Iterable[str], *, dry_run: bool, as_json: bool
) -> None:
    """Report what was brought into a project, or would be, and what is left to its owner."""
    left, tests = [*left], run_tests(plan.host)
    if as_json:
        shown = {"path": str(plan.host.path), "commit": plan.commit, "answers": plan.answers}
        shown |= {"files": sorted(plan.files), "host_files": plan.host_files, "tests": tests}
        lines = [asdict(one) | {"text": one.text} for one in left]
        print_json(shown | {"lines": lines, "notes": [*notes], "dry_run": dry_run})
        return
    if dry_run:
        data("\n".join(sorted(plan.files)))
    brought = "Would bring" if dry_run else "Brought"
    say(f"{brought} {_count(plan.files)} into {plan.host.path} ({plan.commit}).", style="bold")
    listed(LEFT_OUT, map(_meaning, plan.host_files))
    for note in notes:
        say(f"Note: {note}", style="yellow")
    _pasted("What belongs in your own files, which this program never changes:", left)
    if not dry_run:
        pages(plan.answers, plan.files)
        demo = f"{plan.host.runs}agent demo"
        listed("Then try it, without a key:", [demo])
        listed("Next:", _next(tests))
        say(UNDO)
        data(str(plan.host.path))


def resumed(done: Journal, *, as_json: bool) -> None:
    """Report that a change was finished, and what is left to its owner."""
    if as_json:
        names = ("before", "after", "files", "conflicts", "lost", "missed")
        print_json({name: getattr(done, name) for name in names})
        return
    say(f"Finished: {_count(done.files)} ({done.way}).", style="bold")
    _left(done)
    if not done.before:
        say(f"The lines for your own files: {source.NAME} doctor")
    listed("Next:", (*_sync(done), *_next(CHECKS if done.before else "")))


def aborted(done: Journal, *, as_json: bool) -> None:
    """Report that a change was undone."""
    if as_json:
        print_json({"before": done.before, "after": done.before, "files": done.files})
        return
    before = f" ({done.before})" if done.before else ""
    say(f"Undone: {_count(done.files)} as in your last commit{before}.", style="bold")
    listed("Next, for what was installed:", _sync(done))


def _next(checks: str) -> list[str]:
    """Return what to do now; what came with a change may be new to git."""
    return ["git add --all", "git diff --cached", *filter(None, [checks]), "git commit"]


def _sync(done: Journal) -> list[str]:
    return ["uv sync"] if "pyproject.toml" in done.files else []


def _handed_over(handover: Handover) -> None:
    listed(LEFT_OUT, map(_meaning, handover.left_out))
    _pasted("New lines for files of your project, which were not changed:", handover.came)
    _pasted("Lines that your project no longer needs for the agent:", handover.went)


def _meaning(name: str) -> str:
    """Return a file of the project with what it means that the agent's is left out."""
    is_page = name.startswith("docs/")
    return f"{name}: {'links to it lead to yours' if is_page else 'the agent reads yours'}"


def _pasted(heading: str, left: Iterable[Lines]) -> None:
    """Show lines as they can be pasted: nothing is put before them."""
    left = [*left]
    if left:
        say(heading, style="bold")
    for one in left:
        say(f"\n{one.file}, {one.place}:", style="bold")
        if one.why:
            say(one.why, style="yellow")
        verbatim(one.text)
    if left:
        say("")


def _left(done: Change | Journal) -> None:
    files = {*done.files}
    marked = [name for name in done.conflicts if name in files]
    listed(MERGE, marked, style="yellow")
    listed(
        "Not text, and changed by both; yours is in place (the other: git checkout --theirs FILE):",
        (name for name in done.conflicts if name not in files),
        style="yellow",
    )
    listed(
        "You edited these, and the template no longer has them (yours: git show HEAD:FILE):",
        done.lost,
        style="yellow",
    )
    listed(
        "You deleted, renamed or replaced these, so what changed in them did not arrive"
        f" (see it: {DIFF} --since {done.before}):",
        done.missed,
        style="yellow",
    )


def _pairs(followed: Mapping[str, str]) -> Iterator[str]:
    return (f"{name} → {place}" for name, place in followed.items())


def _count(files: Collection[str]) -> str:
    return f"{len(files)} file{'s' * (len(files) != 1)}"
