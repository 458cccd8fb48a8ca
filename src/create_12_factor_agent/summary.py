"""What the commands for an existing repository report: each in words, or as JSON."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict

from . import source
from .change import Change, diff
from .changelog import News
from .doctor import Finding
from .journal import Journal
from .looking import Comparison
from .origin import Followed
from .parts import Part
from .report import as_json as print_json
from .report import data, pages, say

NEXT = ("git add --all", "git diff --cached", "make check test", "git commit")
"""What came with a change may be new to git."""

MERGE = "To merge by hand, between <<<<<<< and >>>>>>>, then `git add` each:"
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
    _news(done.news)
    _listed("The change went to the file that you renamed:", _pairs(done.followed))
    _left(done)
    _listed("New files of the sample, which is yours (see them: update --dry-run):", done.offered)
    _listed("New settings for .env (from .env.example):", done.needs)
    for note in notes:
        say(f"Note: {note}", style="yellow")
    if done.before == done.after:
        pages(done.answers, done.files)
    if not dry_run:
        _listed("Next:", NEXT)
        say(UNDO)


def unchanged(commit: str, followed: Followed | None = None, *, as_json: bool) -> None:
    """Report that there is nothing to change; after an update, what it was compared with."""
    if as_json:
        print_json({"before": commit, "after": commit, "files": [], **_places(followed)})
    elif followed:
        _up_to_date(commit, followed)
    else:
        say(f"Already up to date ({commit}).")


def resumed(done: Journal, *, as_json: bool) -> None:
    """Report that a change was finished, and what is left to its owner."""
    files, conflicts = sorted({*done.was, *done.becomes}), sorted(done.conflicts)
    if as_json:
        print_json({"before": done.before, "after": done.after,
                    "files": files, "conflicts": conflicts})  # fmt: skip
        return
    say(f"Finished the change ({done.before} to {done.after}): {_count(files)}.", style="bold")
    _listed(MERGE, conflicts, style="yellow")
    _listed("Next:", ("uv sync", *NEXT))


def aborted(done: Journal, *, as_json: bool) -> None:
    """Report that a change was undone."""
    files = sorted({*done.was, *done.becomes})
    if as_json:
        print_json({"before": done.before, "after": done.before, "files": files})
        return
    say(f"Undone: {_count(files)} as in your last commit ({done.before}).", style="bold")
    _listed("Next, for what was installed:", ("uv sync",))


def compared(file: Comparison, *, as_json: bool) -> None:
    """Show what the owner and what the template changed in a file."""
    if as_json:
        print_json(
            asdict(file)
            | {"old": _text(file.old), "new": _text(file.new), "mine": _text(file.mine)}
        )
        return
    for who, held, label in (("You", file.mine, "yours"), ("The template", file.new, file.after)):
        lines = diff(file.name, file.old, held, file.before, label)
        say(f"{who} changed {'this' if lines else 'nothing'} since {file.before}.", style="bold")
        if lines:
            data(lines.removesuffix("\n"))


def newer(
    before: str, after: str, news: News, followed: Followed | None = None, *, as_json: bool
) -> None:
    """Report what an update would bring."""
    if as_json:
        print_json({"before": before, "after": after, "news": asdict(news), **_places(followed)})
        return
    if before == after:
        unchanged(before, followed, as_json=False)
        return
    say(f"{after} is newer than {before}.")
    _news(news)


def status(commit: str, states: Mapping[str, str], *, as_json: bool) -> None:
    """Show the files that are not as they came, and count all."""
    if as_json:
        print_json({"commit": commit, "files": dict(states)})
        return
    for name, state in states.items():
        if state != "pristine":
            data(f"{state:<8} {name}")
    count = Counter(states.values())
    say(
        ", ".join(f"{count[state]} {state}" for state in ("pristine", "edited", "deleted", "yours"))
    )


def parts(found: Iterable[Part], *, as_json: bool) -> None:
    """Show parts, those that are there with a mark."""
    if as_json:
        print_json({"parts": [asdict(part) for part in found]})
        return
    for part in found:
        data(f"{'*' if part.chosen else ' '} {part.name:<14} {part.question:<8} {part.label}")


def findings(found: Iterable[Finding], *, as_json: bool) -> None:
    """Show what was looked at, and how to mend what is not good."""
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found]})
        return
    marks = {"good": "ok  ", "note": "note", "bad": "BAD "}
    for finding in found:
        data(f"{marks[finding.state]} {finding.what}: {finding.detail}")
        if finding.state != "good" and finding.hint:
            data(f"     {finding.hint}")


def _places(followed: Followed | None) -> dict[str, str]:
    return {"origin": followed.origin, "program": followed.program} if followed else {}


def _up_to_date(commit: str, followed: Followed) -> None:
    """Name what was looked at: it may be another place than the one this program came from."""
    releases = f"the releases in {source.NAME} {source.version()}"
    say(f"Already up to date with {releases if followed.bundled else followed.origin} ({commit}).")
    if followed.program != followed.origin:
        say(
            f"This program comes from {followed.program}, which is not where this repository "
            "is updated from. To follow it, change `_src_path` in .copier-answers.yml."
        )


def _news(news: News) -> None:
    _listed("What changed:", (f"- {item}" for item in news.changes))
    _listed("What acts differently for you:", (f"- {item}" for item in news.behaviour))


def _left(done: Change) -> None:
    files = {*done.files}
    marked = [name for name in done.conflicts if name in files]
    _listed(MERGE, marked, style="yellow")
    _listed(
        "Not text, and changed by both; yours is in place (the other: git checkout --theirs FILE):",
        (name for name in done.conflicts if name not in files),
        style="yellow",
    )
    _listed(
        "You edited these, and the template no longer has them (yours: git show HEAD:FILE):",
        done.lost,
        style="yellow",
    )
    _listed(
        "You deleted, renamed or replaced these, so what changed in them did not arrive"
        f" (see it: {source.NAME} diff FILE):",
        done.missed,
        style="yellow",
    )


def _pairs(followed: Mapping[str, str]) -> Iterator[str]:
    return (f"{name} → {place}" for name, place in followed.items())


def _count(files: Collection[str]) -> str:
    return f"{len(files)} file{'s' * (len(files) != 1)}"


def _text(held: bytes | None) -> str | None:
    return None if held is None else held.decode(errors="replace")


def _listed(heading: str, lines: Iterable[str], style: str = "") -> None:
    lines = [*lines]
    if lines:
        say(heading, style=style)
    for line in lines:
        say(f"  {line}")
