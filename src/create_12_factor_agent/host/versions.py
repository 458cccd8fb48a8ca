"""Ranges of versions, as PEP 440 and as Poetry writes them, and requirements with their names."""

import re
from typing import TYPE_CHECKING

from create_12_factor_agent.errors import UsageError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_OLD = tuple(f"{version}{patch}" for version in ("2.7", *(f"3.{n}" for n in range(20)))
             for patch in ("", ".99"))  # fmt: skip
"""Versions of Python that a range may allow."""


def name_of(requirement: str) -> str:
    """Return the name in a requirement, in the form in which names are compared."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def plain(text: str) -> str:
    """Return a range as PEP 440 writes it: Poetry also knows `^3.11`, `~3.11`, `3.11` and `*`."""
    parts = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        major, minor = [*re.findall(r"\d+", part), "0", "0"][:2]
        if part.startswith("^"):
            parts.append(f">={part[1:]},<{int(major) + 1}")
        elif part.startswith("~") and not part.startswith("~="):
            parts.append(f">={part[1:]},<{major}.{int(minor) + 1}")
        elif part[0].isdigit():
            parts.append(f"=={part}")
        elif part != "*":
            parts.append(part)
    return ",".join(parts)


def limited(given: str, needed: str) -> str:
    """Return a range of Pythons limited to those that are `needed`; empty where it is.

    Raises: UsageError on a range that cannot be read.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        ranges = [SpecifierSet(plain(one)) for one in given.split("||")]
    except InvalidSpecifier as error:
        raise UsageError(f"{given!r} is not a range of Pythons.", "Correct it.") from error
    limit = SpecifierSet(needed)
    if not any(old in one and old not in limit for one in ranges for old in _OLD):
        return ""
    return ",".join([needed, *_upper(ranges[-1])])


def is_enough(own: str, needed: str) -> bool:
    """Return whether what is required is never older than what is needed, extras included.

    A requirement that cannot be read counts as enough.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import Version

    try:
        mine, theirs = Requirement(own), Requirement(needed)
    except InvalidRequirement:
        return True
    least = [Version(one.version) for one in theirs.specifier if one.operator == ">="]
    mine_least = [
        Version(one.version.removesuffix(".*"))
        for one in mine.specifier
        if one.operator in (">=", "==", "~=", ">")
    ]
    is_new = not least or any(one >= least[0] for one in mine_least)
    return is_new and theirs.extras <= mine.extras


def _upper(one: "SpecifierSet") -> list[str]:
    return sorted(str(part) for part in one if part.operator in ("<", "<=", "!="))
