"""What owners say of their files in `.gitattributes`."""

from collections.abc import Mapping
from random import Random

from tests.footprints import Room
from tests.plain_git import git

from .files import CODE, Edit, pick


def _say(*lines: str) -> Edit:
    def edit(room: Room, _: Random) -> None:
        with (room.project / ".gitattributes").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    return edit


def _keep_ours(room: Room, chance: Random) -> None:
    _say("*.py merge=ours", "*.md merge=ours")(room, chance)
    git(room.top, "config", "merge.ours.driver", "true")


def _identify(room: Room, chance: Random) -> None:
    _say("*.py ident", "*.md ident")(room, chance)
    if path := pick(room, chance, *CODE):
        path.write_bytes(b"# $Id$\n" + path.read_bytes())


ATTRIBUTES: Mapping[str, Edit] = {
    "*.py binary": _say("*.py binary"),
    "*.md -diff": _say("*.md -diff", "*.toml -text"),
    "* merge=union": _say("* merge=union"),
    "*.py merge=ours": _keep_ours,
    "*.py -merge": _say("*.py -merge", "*.md merge=binary"),
    "* text=auto eol=crlf": _say("* text=auto eol=crlf"),
    "* text=auto eol=lf": _say("* text=auto eol=lf"),
    "* conflict-marker-size=20": _say("* conflict-marker-size=20"),
    "*.py ident": _identify,
    "*.py export-ignore": _say("*.py export-ignore", "*.md export-subst"),
    "* whitespace": _say("* whitespace=trailing-space,space-before-tab"),
}

CONVERTING = frozenset({"* text=auto eol=crlf", "* text=auto eol=lf"})
"""With these git changes line endings on their way in and out."""
