"""What a change did, or would do, and what it leaves to its owner: in words, or as JSON."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict

from . import source
from .change import Change
from .journal import Journal
from .report import as_json as print_json
from .report import data, listed, pages, say
from .summary import list_news

NEXT = ("git add --all", "git diff --cached", "make check test", "git commit")
"""What came with a change may be new to git."""

MERGE = "To merge by hand, between <<<<<<< and >>>>>>>, then `git add` each:"
DIFF = f"{source.NAME} diff FILE"
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
    if not dry_run:
        listed("Next:", NEXT)
        say(UNDO)


def resumed(done: Journal, *, as_json: bool) -> None:
    """Report that a change was finished, and what is left to its owner."""
    if as_json:
        names = ("before", "after", "files", "conflicts", "lost", "missed")
        print_json({name: getattr(done, name) for name in names})
        return
    say(f"Finished: {_count(done.files)} ({done.before} to {done.after}).", style="bold")
    _left(done)
    listed("Next:", ("uv sync", *NEXT))


def aborted(done: Journal, *, as_json: bool) -> None:
    """Report that a change was undone."""
    if as_json:
        print_json({"before": done.before, "after": done.before, "files": done.files})
        return
    say(f"Undone: {_count(done.files)} as in your last commit ({done.before}).", style="bold")
    listed("Next, for what was installed:", ("uv sync",))


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
