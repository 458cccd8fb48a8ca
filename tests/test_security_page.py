"""What the security pages say is there: tests, settings, commands, files, and every requirement."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from create_12_factor_agent import cli

from . import variants
from .conftest import ROOT

TEMPLATE = ROOT / "template"
ENGINE = TEMPLATE / "src/agent/engine"
TESTS = TEMPLATE / "tests/engine"
PAGE = TEMPLATE / "docs/security.md"
POLICY = ROOT / ".github/SECURITY.md"

AISVS = {
    "1.1": "12223", "1.2": "122", "1.3": "22223", "2.1": "11111223", "2.2": "1123", "3.1": "122",
    "3.2": "123", "3.3": "222", "3.4": "12", "3.5": "2333", "4.1": "1133", "4.2": "23333",
    "4.3": "12333", "5.1": "33", "5.2": "2222233", "5.3": "23", "6.1": "1122", "6.2": "122",
    "7.1": "11", "7.2": "223", "7.3": "1223", "7.4": "1123", "8.1": "122", "8.2": "12233",
    "8.3": "223", "9.1": "112", "9.2": "1222222333", "9.3": "11222223", "9.4": "2233",
    "9.5": "222223", "9.6": "123", "10.1": "122", "10.2": "1112222", "10.3": "11223",
    "10.4": "11122223", "11.1": "11123", "11.2": "11223", "11.3": "1233", "11.4": "223",
    "12.1": "1222", "12.2": "122223", "12.3": "1223", "12.4": "222", "12.5": "1122",
}  # fmt: skip
"""The sections of AISVS 1.0 (github.com/OWASP/AISVS, 1.0/en), and the levels of the requirements
in each, in their order."""

LEVELS = {
    f"{section}.{place}": level
    for section, levels in AISVS.items()
    for place, level in enumerate(levels, 1)
}
STATUSES = ("held", "in part", "not met", "yours")

MADE_BY_UV = ("uv.lock",)
"""Files of a repository that the template does not have."""

OF_PARTS = {part for part in variants.PARTS if (TESTS / part).is_dir()}
"""Parts that have a folder of tests, which is missing without them."""


class Row(NamedTuple):
    """A row of the tables about AISVS."""

    requirements: list[str]
    levels: list[str]
    status: str
    why: str


def read_rows() -> list[Row]:
    cells = [line.strip("| ").split(" | ") for line in PAGE.read_text("utf-8").splitlines()]
    return [
        Row(numbers.split(", "), levels.split(", "), status, why)
        for numbers, levels, _, status, why in (each for each in cells if len(each) == 5)
        if re.match(r"\d", numbers)
    ]


def read_left_out() -> Iterator[str]:
    """Give the requirements of the chapters and sections that the page leaves out."""
    table = PAGE.read_text("utf-8").partition("| left out |")[2]
    for line in re.findall(r"^\| ([C\d][^|]*) \|", table, re.MULTILINE):
        for name in line.split(", "):
            number = name.removeprefix("C")
            yield from (each for each in LEVELS if f"{each}.".startswith(f"{number}."))


# -- names -----------------------------------------------------------------------------------


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def read_class(path: Path, name: str) -> ast.ClassDef | None:
    """Return a class of a module."""
    classes = (node for node in parse(path).body if isinstance(node, ast.ClassDef))
    return next((node for node in classes if node.name == name), None)


@cache
def find_class(folder: Path, name: str) -> ast.ClassDef | None:
    """Return a class of a module in a folder, or in one below it."""
    paths = [path for path in folder.rglob("*.py") if f"class {name}" in path.read_text("utf-8")]
    return next(filter(None, (read_class(path, name) for path in paths)), None)


def list_functions(node: ast.Module | ast.ClassDef) -> set[str]:
    """Return the functions of a module, or the methods of a class and of those it inherits."""
    own = {
        each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    names = [base.id for base in bases if isinstance(base, ast.Name)]
    inherited = filter(None, [find_class(TESTS, name) for name in names])
    return own.union(*map(list_functions, inherited))


def is_test(name: str) -> bool:
    file, *inside = name.split("::")
    path = TEMPLATE / file
    if not path.is_file():
        return False
    *classes, test = inside
    where = read_class(path, classes[0]) if classes else parse(path)
    return where is not None and test in list_functions(where)


@cache
def list_commands() -> set[str]:
    """Return the commands of an agent with every part, as `export` and `eval run`."""
    found = set[str]()
    for path in ENGINE.rglob("*.py"):
        if not re.search(r"\.command\(|^COMMANDS = ", path.read_text("utf-8"), re.MULTILINE):
            continue
        for node in ast.walk(parse(path)):
            match node:
                case ast.Assign(targets=[ast.Name(id="COMMANDS")], value=value):
                    found |= {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    named = {name for each in node.decorator_list for name in _name(each, node)}
                    found |= {
                        f"mcp {name}" if path.parent.name == "mcp" else name for name in named
                    }
    groups = re.findall(r"for command in \((.*)\):", (ENGINE / "cli/evals.py").read_text("utf-8"))
    return found | {f"eval {name}" for name in groups[0].split(", ")}


def _name(decorator: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    match decorator:
        case ast.Call(func=ast.Attribute(attr="command"), args=[ast.Constant(value=str(name)), *_]):
            yield name
        case ast.Call(func=ast.Attribute(attr="command")):
            yield function.name


def is_field(owner: str, name: str) -> bool:
    """Say whether a class of the engine declares a field."""
    known = find_class(ENGINE, owner)
    declared = [each for each in known.body if isinstance(each, ast.AnnAssign)] if known else []
    return name in [ast.unparse(each.target) for each in declared]


def is_file(name: str) -> bool:
    path = TEMPLATE / name
    if path.exists() or path.with_name(f"{path.name}.jinja").exists() or name in MADE_BY_UV:
        return True
    return "/" not in name and any(TEMPLATE.rglob(f"**/{name}"))


def is_route(name: str) -> bool:
    modules = "http/metrics.py", "mcp/endpoint_routes.py"
    sources = [TESTS / "http/access.py", *(ENGINE / module for module in modules)]
    first = name.split("/")[1]
    return any(f'"/{first}' in path.read_text("utf-8") for path in sources)


def find_wrong(text: str) -> list[str]:
    """Return the names in backticks that the template does not have."""
    wrong = []
    for quoted in re.findall(r"`([^`\n]+)`", text):
        match quoted.split():
            case [name] if "::" in name:
                wrong += [] if is_test(name) else [name]
            case ["uvx", "create-12-factor-agent", command, *parts]:
                known = command in cli.OTHERS and set(parts) <= variants.PARTS.keys()
                wrong += [] if known else [quoted]
            case ["agent", *words] if words:
                command = " ".join(words[: 2 if words[0] in ("eval", "mcp") else 1])
                wrong += [] if command in list_commands() else [command]
            case _ if owned := re.fullmatch(r"(\w+)\((.*=….*)\)", quoted):
                names = re.findall(r"(\w+)=", owned[2])
                wrong += [quoted] if not all(is_field(owned[1], name) for name in names) else []
            case [name] if setting := re.match(r"([A-Z][A-Z_]{3,})(=|$)", name):
                settings = (TEMPLATE / ".env.example.jinja").read_text("utf-8")
                wrong += [] if f"# {setting[1]}=" in settings else [setting[1]]
            case [name] if name.startswith("/"):
                wrong += [] if is_route(name) else [name]
            case [name] if re.fullmatch(r"[\w.-]+/[\w./-]*|[\w-]+\.(toml|md|yaml|lock)", name):
                wrong += [] if is_file(name) else [name]
    return wrong


def test_every_name_on_the_page_is_there() -> None:
    assert find_wrong(PAGE.read_text("utf-8")) == []
    assert find_wrong(POLICY.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/engine/loop/test_api.py::test_nobody_may_answer",
        "tests/engine/loop/test_apis.py::test_only_whom_the_wait_names_may_answer",
        "tests/engine/test_contracts.py::TestSqliteStore::test_nothing",
        "tests/engine/test_contracts.py::TestOracleStore::test_appended_events_are_loaded",
        "uvx create-12-factor-agent add engine-test",
        "uvx create-12-factor-agent append engine-tests",
        "EMAIL_ALOWED",
        "docs/https.md",
        "person.toml",
        "/logins",
        "Run(aprovers=…)",
        "Agents(responsible=…)",
    ],
)
def test_a_name_that_is_not_there_is_found(name: str) -> None:
    assert find_wrong(f"It is held by `decide` and `{name}`.") == [name]


@pytest.mark.parametrize("command", ["exports", "eval runs"])
def test_a_command_that_is_not_there_is_found(command: str) -> None:
    assert find_wrong(f"Use `agent {command}`.") == [command]


@pytest.mark.parametrize(
    "name",
    [
        "tests/engine/test_contracts.py::TestSqliteStore::test_appended_events_are_loaded",
        "uvx create-12-factor-agent add engine-tests",
        "agent eval run",
        "agent export > file",
        "EMAIL_AUTHSERV_ID=none",
        "/waits/ID/WAIT",
        "Limits(steps=…, cost=…)",
    ],
)
def test_a_name_that_is_there_is_known(name: str) -> None:
    assert find_wrong(f"`{name}`") == []


# -- OWASP AISVS -------------------------------------------------------------------------------


def test_each_requirement_is_answered_once_or_left_out() -> None:
    answered = [each for row in read_rows() for each in row.requirements]
    assert sorted([*answered, *read_left_out()]) == sorted(LEVELS)


def test_each_requirement_has_its_level() -> None:
    for row in read_rows():
        assert [LEVELS[each] for each in row.requirements] == row.levels, row


def test_what_is_held_names_a_test_and_what_is_not_says_why() -> None:
    for row in read_rows():
        assert row.status in STATUSES, row
        if row.status in ("held", "in part"):
            assert "`tests/engine/" in row.why, row
        else:
            assert row.why, row


def test_a_test_of_a_part_is_named_together_with_the_part() -> None:
    """Without the part, a repository does not have the test."""
    for row in read_rows():
        for part in OF_PARTS.intersection(re.findall(r"`tests/engine/(\w+)/", row.why)):
            assert re.search(rf"\b[Ww]ith {part}\b", row.why), row


def test_what_is_left_out_for_want_of_mcp_comes_back_with_it() -> None:
    assert ("10.1.1" in read_left_out()) == ("mcp" not in variants.PARTS)


def test_each_part_with_a_folder_of_its_own_is_a_door() -> None:
    doors = PAGE.read_text("utf-8").partition("## The doors")[2].partition("\n## ")[0]
    assert [part for part in OF_PARTS if f"with {part}" not in doors] == []


def test_the_number_of_requirements_is_that_of_the_standard() -> None:
    assert f"{len(LEVELS)} requirements" in " ".join(PAGE.read_text("utf-8").split())


# -- how to report a flaw ----------------------------------------------------------------------


def test_the_policy_is_found_and_leads_to_the_project_and_to_the_page() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    home = urls["Repository"].removesuffix(".git")
    policy = POLICY.read_text("utf-8")
    assert f"]({home}/security/advisories/new)" in policy
    assert f"]({home}/security/policy)" in PAGE.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)", policy):
        assert link.startswith(home) or (POLICY.parent / link).is_file(), link
    assert "](.github/SECURITY.md)" in (ROOT / "README.md").read_text("utf-8")


def test_the_page_is_found_from_the_pages_of_every_agent() -> None:
    readme = (TEMPLATE / "README.md.jinja").read_text("utf-8")
    assert "[docs/security.md](docs/security.md)" in readme
    assert "[security.md](security.md)" in (TEMPLATE / "docs/operating.md").read_text("utf-8")
