"""What the project needs for the agent: compared with a repository of the agent alone."""

from . import backends
from .alone import Alone
from .facts import PYPROJECT, Host
from .lines import Lines, Section
from .required import required
from .sections import sections
from .versions import limited, name_of


def missing(host: Host, alone: Alone) -> list[Lines]:
    """Return what the project lacks, place by place."""
    found = [*map(_that_lack, sections(host, alone)), backends.including(host, alone.facts)]
    return sorted(filter(None, found), key=lambda one: one.file != PYPROJECT)


def changed(host: Host, old: Alone, new: Alone) -> tuple[list[Lines], list[Lines]]:
    """Return which lines a change brings for files of the project, and which it takes away."""
    pairs = [*zip(sections(host, old), sections(host, new), strict=True)]
    came = [_that_came(before, after) for before, after in pairs]
    went = [_that_went(before, after) for before, after in pairs]
    return [one for one in came if one], [one for one in went if one]


def unnamed(host: Host, alone: Alone) -> tuple[list[str], list[str]]:
    """Return the requirements that the project does not name at all, and those of the tests."""
    own, every = required(host, dev=False), required(host, dev=True)
    return (
        [one for one in alone.requires if name_of(one) not in own],
        [one for one in alone.for_tests if name_of(one) not in every],
    )


def lacks_requirements(host: Host, alone: Alone) -> bool:
    """Return whether the project has to require something, or a newer version of it."""
    own, dev, *_ = sections(host, alone)
    return bool(_that_lack(own) or _that_lack(dev))


def older_python(host: Host, alone: Alone) -> str:
    """Return the line that limits the project to the agent's Python; empty where it does so.

    Raises: UsageError on a range that cannot be read.
    """
    poetry = host.table("tool", "poetry", "dependencies").get("python")
    key = "requires-python" if "requires-python" in host.table("project") else "python"
    given = host.table("project").get("requires-python", poetry)
    if not isinstance(given, str):
        return ""
    found = limited(given, alone.facts["project"]["requires-python"])
    return f'{key} = "{found}"' if found else ""


def _that_lack(section: Section) -> Lines | None:
    return section.only(lambda item: not section.is_there(item))


def _that_came(before: Section, after: Section) -> Lines | None:
    known = {*before.lines.lines}
    return after.only(lambda item: item not in known and not after.is_there(item))


def _that_went(before: Section, after: Section) -> Lines | None:
    kept = {*map(after.key, after.lines.lines)}
    return before.only(lambda item: before.key(item) not in kept and before.is_there(item))
