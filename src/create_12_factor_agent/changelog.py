"""What changed between two states of the template, in the words of docs/changelog.md.

Every item under a heading is news; one that begins with `question=answer` (in code) concerns
only repositories with that answer, and those under `Behaviour` say what acts differently and
which setting makes it act as before. An item ``moved: `old` → `new` `` says where a file went, or a
folder, with a slash at its end. Knows no git and no Copier.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FILE = "docs/changelog.md"
BEHAVIOUR = "Behaviour"

_ITEM = re.compile(r"^- .*(?:\n  .*)*", re.MULTILINE)
_MOVE = re.compile(r"moved: `([^`]+)` → `([^`]+)`")
_CONDITION = re.compile(r"^`(\w+)=([\w-]+)`: ")


@dataclass(frozen=True)
class News:
    """Items without their bullets, newest first."""

    changes: tuple[str, ...]
    behaviour: tuple[str, ...]


def news(before: str, after: str, answers: Mapping[str, Any]) -> News:
    """Return the items of `after` that `before` does not have and that concern these answers."""
    ours = [(heading, _concerns(item, answers)) for heading, item in _new_items(before, after)]
    return News(
        changes=tuple(item for heading, item in ours if item and heading != BEHAVIOUR),
        behaviour=tuple(item for heading, item in ours if item and heading == BEHAVIOUR),
    )


def moves(before: str, after: str) -> dict[str, str]:
    """Return where files went between two states, oldest move first."""
    found = (_MOVE.search(item) for _, item in reversed(_new_items(before, after)))
    return {move[1]: move[2] for move in found if move}


def _new_items(before: str, after: str) -> list[tuple[str, str]]:
    known = {item for _, item in _items(before)}
    return [(heading, item) for heading, item in _items(after) if item not in known]


def _items(text: str) -> Iterator[tuple[str, str]]:
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        heading, _, body = section.partition("\n")
        for item in _ITEM.findall(body):
            yield heading.strip(), " ".join(item.removeprefix("- ").split())


def _concerns(item: str, answers: Mapping[str, Any]) -> str:
    """Return the item without its condition; empty where that does not hold."""
    found = _CONDITION.match(item)
    if not found:
        return item
    answer = answers.get(found[1])
    chosen = answer if isinstance(answer, list) else [str(answer)]
    return item.removeprefix(found[0]) if found[2] in chosen else ""
