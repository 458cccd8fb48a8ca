"""What the agent wants in each file of the project, whether it is there or not."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from . import poetry
from .alone import ENV, IGNORED, MAKEFILE, Alone, variables
from .facts import Host
from .lines import END, Lines, Section, in_list, in_poetry, in_table
from .required import file_of, required
from .versions import is_enough, name_of

WORKFLOWS = ".github/workflows"
SETTINGS = "pytest-agent.toml"
"""What says how the agent's tests run, apart from those of the project."""


def tests(host: Host) -> str:
    """Return the command that runs the agent's tests."""
    return f"{host.runs}pytest -c {SETTINGS}"


def sections(host: Host, alone: Alone) -> Iterator[Section]:
    """Give all sections; requirements come first, then those of the tests."""
    yield _requirements(host, alone.requires)
    yield _test_requirements(host, alone.for_tests)
    yield _script(host, alone.facts["project"]["scripts"])
    if host.table("tool", "ruff"):
        yield _linted(host, alone.folders)
    yield _ignored(host, alone.ignored)
    yield _settings(host, alone.settings)
    if (host.path / MAKEFILE).is_file():
        yield _makefile(host, alone)
    if any((host.path / WORKFLOWS).glob("*.y*ml")):
        yield _workflow(host)


def _requirements(host: Host, wanted: list[str]) -> Section:
    if file := file_of(host):
        lines = Lines(file, END, tuple(wanted))
    elif poetry.has_requirements(host):
        lines = in_table(host, [*map(in_poetry, wanted)], *poetry.TABLE, "dependencies")
    else:
        lines = in_list(host, wanted, "dependencies", "project")
    return _of_requirements(lines, wanted, required(host, dev=False))


def _test_requirements(host: Host, wanted: list[str]) -> Section:
    extras = host.table("project", "optional-dependencies")
    extra = next((name for name in ("dev", "test", "tests", "testing") if name in extras), "")
    if host.tool == "poetry" and not host.table("dependency-groups"):
        table = (*poetry.TABLE, "group", "dev", "dependencies")
        lines = in_table(host, [*map(in_poetry, wanted)], *table)
    elif extra and host.tool == "pip":
        lines = in_list(host, wanted, extra, "project", "optional-dependencies")
    else:
        lines = in_list(host, wanted, "dev", "dependency-groups")
    return _of_requirements(lines, wanted, required(host, dev=True))


def _of_requirements(lines: Lines, wanted: list[str], own: Mapping[str, list[str]]) -> Section:
    def key(item: str) -> str:
        return name_of(item.strip('"'))

    needed = {name_of(one): one for one in wanted}
    instead = {
        item: ", ".join(mine)
        for item in lines.lines
        if (mine := own.get(key(item)))
        and not any(is_enough(one, needed[key(item)]) for one in mine)
    }
    return Section(lines, key, lambda item: key(item) in own and item not in instead, instead)


def _script(host: Host, scripts: Mapping[str, str]) -> Section:
    classic = poetry.has_requirements(host)
    table = ("tool", "poetry", "scripts") if classic else ("project", "scripts")
    there = host.table(*table)
    taken = [name for name, value in scripts.items() if there.get(name, value) != value]
    why = f"You have a command {taken[0]!r} already: give this one another name." if taken else ""
    lines = {f'{name} = "{value}"': value for name, value in scripts.items()}
    section = in_table(host, [*lines], *table, why=why)
    return Section(section, str, lambda item: lines[item] in there.values())


def _linted(host: Host, folders: list[str]) -> Section:
    lines = in_list(host, folders, "extend-exclude", "tool", "ruff")
    lines = replace(lines, why="Else ruff reports the agent, whose style is another than yours.")
    own = host.table("tool", "ruff")
    there = {*own.get("exclude", ()), *own.get("extend-exclude", ())}
    return Section(lines, str, lambda item: item.strip('",') in there)


def _ignored(host: Host, wanted: list[str]) -> Section:
    own = {line.strip().strip("/") for line in host.text(IGNORED).splitlines()}
    return Section(Lines(IGNORED, END, (*wanted,)), str, lambda item: item.strip("/") in own)


def _settings(host: Host, wanted: list[str]) -> Section:
    own = {*variables(host.text(ENV))}
    lines = Lines(ENV, END, (*wanted,))
    return Section(
        lines, lambda item: " ".join(variables(item)), lambda item: own.issuperset(variables(item))
    )


def _makefile(host: Host, alone: Alone) -> Section:
    own = {line.partition(":")[0].strip() for line in host.text(MAKEFILE).splitlines()}
    names = {_rule(host, *rule): f"agent-{rule[0]}" for rule in alone.rules}
    return Section(
        Lines(MAKEFILE, END, (*names,)), lambda item: names[item], lambda item: names[item] in own
    )


def _rule(host: Host, name: str, rest: str, commands: list[str]) -> str:
    """Return a rule of the agent's Makefile as it is in a project."""
    needed, _, told = rest.partition("##")
    needs = "".join(f" agent-{one}" for one in needed.split())
    own = [one.replace("uv run pytest", f"uv run pytest -c {SETTINGS}") for one in commands]
    lines = [f".PHONY: agent-{name}", f"agent-{name}:{needs} ##{told}"]
    return "\n".join([*lines, *(one.replace("uv run ", host.runs) for one in own)])


def _workflow(host: Host) -> Section:
    files = sorted((host.path / WORKFLOWS).glob("*.y*ml"))
    texts = [host.text(file.relative_to(host.path).as_posix()) for file in files]
    name = files[0].relative_to(host.path).as_posix() if len(files) == 1 else WORKFLOWS
    step = Lines(name, "after the step that runs your tests", (f"- run: {tests(host)}",))
    return Section(step, str, lambda _: any(SETTINGS in text for text in texts))
