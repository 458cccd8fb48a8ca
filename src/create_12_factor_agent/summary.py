"""What the commands for an existing repository report: each in words, or as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from textwrap import indent

from . import source
from .change import diff
from .changelog import News
from .doctor import Finding
from .looking import Comparison
from .origin import Followed
from .parts import Part
from .report import as_json as print_json
from .report import data, listed, say


def unchanged(commit: str, followed: Followed | None = None, *, as_json: bool) -> None:
    """Report that there is nothing to change; after an update, what it was compared with."""
    if as_json:
        print_json({"before": commit, "after": commit, "files": [], **_places(followed)})
    elif followed:
        _up_to_date(commit, followed)
    else:
        say(f"Already up to date ({commit}).")


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
    list_news(news)


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
            data(indent(finding.hint, " " * 5))


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


def list_news(news: News) -> None:
    """Show what the changelog says."""
    listed("What changed:", (f"- {item}" for item in news.changes))
    listed("What acts differently for you:", (f"- {item}" for item in news.behaviour))


def _text(held: bytes | None) -> str | None:
    return None if held is None else held.decode(errors="replace")
