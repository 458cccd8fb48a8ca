"""What the project requires: in `[project]`, in groups, in Poetry's tables, or in a file."""

import re
from collections.abc import Iterable

from .facts import Host
from .versions import name_of, plain

REQUIREMENTS = "requirements.txt"


def file_of(host: Host) -> str:
    """Return the file that has what the project requires; empty where pyproject.toml has it."""
    dynamic = host.table("tool", "setuptools", "dynamic", "dependencies").get("file", "")
    if "dependencies" in host.table("project").get("dynamic", ()):
        return str(dynamic[0] if isinstance(dynamic, list) and dynamic else dynamic)
    has_only_that = host.tool == "pip" and not host.project and host.text(REQUIREMENTS)
    return REQUIREMENTS if has_only_that else ""


def required(host: Host, *, dev: bool) -> dict[str, list[str]]:
    """Return what the project requires, by name; with `dev`, what only its developers need too."""
    found = [*_listed(host.table("project").get("dependencies"))]
    found += _in_file(host.text(file_of(host)))
    poetry = host.table("tool", "poetry")
    tables = [poetry.get("dependencies")]
    if dev:
        for group in ("project", "optional-dependencies"), ("dependency-groups",):
            found += [one for listed in host.table(*group).values() for one in _listed(listed)]
        found += _listed(host.table("tool", "uv").get("dev-dependencies"))
        groups = host.table("tool", "poetry", "group").values()
        tables += [poetry.get("dev-dependencies")]
        tables += [group.get("dependencies") for group in groups if isinstance(group, dict)]
    found += [one for table in tables for one in _in_poetry(table)]
    named: dict[str, list[str]] = {}
    for one in found:
        named.setdefault(name_of(one), []).append(one)
    return named


def _listed(value: object) -> Iterable[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _in_file(text: str) -> Iterable[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if re.match(r"[A-Za-z0-9]", line)]


def _in_poetry(table: object) -> Iterable[str]:
    entries = table.items() if isinstance(table, dict) else ()
    return [f"{name}{_poetry_range(version)}" for name, version in entries]


def _poetry_range(version: object) -> str:
    if isinstance(version, dict):
        extras = f"[{','.join(version['extras'])}]" if version.get("extras") else ""
        return f"{extras}{plain(str(version.get('version', '')))}"
    return plain(str(version))
