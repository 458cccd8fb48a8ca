"""What the commands for a repository that was made before tell: each in words, or as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from .change import Change
from .changelog import News
from .doctor import Finding
from .parts import Part
from .report import as_json as print_json
from .report import data, pages, say

NEXT = ("git add --all", "git diff --cached", "make check test", "git commit")
"""What came with a change may be new to git."""


def changed(done: Change, notes: Iterable[str], *, dry_run: bool, as_json: bool) -> None:
    """Tell what a change did, or would do, and what is left to its owner."""
    if as_json:
        print_json(asdict(done) | {"notes": [*notes], "dry_run": dry_run})
        return
    if dry_run:
        data(done.diff.removesuffix("\n"))
    verb = "Would change" if dry_run else "Changed"
    way = done.before if done.before == done.after else f"{done.before} to {done.after}"
    say(f"{verb} {len(done.files)} files ({way}).", style="bold")
    _news(done.news)
    _left(done)
    _listed("It can be told, in .env (from .env.example):", done.needs)
    for note in notes:
        say(f"Note: {note}", style="yellow")
    if done.before == done.after:
        pages(done.answers, done.files)
    if not dry_run:
        _listed("Next:", NEXT)


def unchanged(commit: str, *, as_json: bool) -> None:
    """Tell that there is nothing to change."""
    if as_json:
        print_json({"before": commit, "after": commit, "files": []})
    else:
        say(f"Nothing to change: it is all there, in {commit}.")


def newer(before: str, after: str, news: News, *, as_json: bool) -> None:
    """Tell what an update would bring."""
    if as_json:
        print_json({"before": before, "after": after, "news": asdict(news)})
        return
    if before == after:
        say(f"{before} is current, as far as this version knows.")
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


def _news(news: News) -> None:
    _listed("What changed:", (f"- {item}" for item in news.changes))
    _listed("What acts differently for you:", (f"- {item}" for item in news.behaviour))


def _left(done: Change) -> None:
    _listed(
        "To merge by hand, between <<<<<<< and >>>>>>>, then `git add` each:",
        done.conflicts,
        style="yellow",
    )
    _listed(
        "You edited these, and they are no longer part of it (yours: git show HEAD:<file>):",
        done.lost,
        style="yellow",
    )
    _listed(
        "You deleted or renamed these, so what changed in them did not arrive:",
        done.missed,
        style="yellow",
    )


def _listed(heading: str, lines: Iterable[str], style: str = "") -> None:
    lines = [*lines]
    if lines:
        say(heading, style=style)
    for line in lines:
        say(f"  {line}")
