"""What is written for the tools of a server: code that passes the checks, whatever it describes."""

import ast
import subprocess
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from mcp.types import Tool

from agent.engine.llms.check import check_union
from agent.engine.llms.output import JsonSteps
from agent.engine.mcp.reader import Unwritable
from agent.engine.mcp.servers import OAuth, Server
from agent.engine.mcp.shapes import list_arguments
from agent.engine.mcp.source import write_block, write_module
from agent.engine.mcp.texts import tidy, write_docstring

from ..examples import st

CONFIG = Path(__file__).parents[3] / "pyproject.toml"
SERVER = Server("desk", url="https://desk.example/mcp")
STRING = {"type": "string"}
Schema = dict[str, Any]


def make_tool(name: str = "put", description: Any = "Put it.", **properties: Any) -> Tool:
    required = properties.pop("required", [])
    schema = {"type": "object", "properties": properties, "required": required}
    return Tool(name=name, description=description, input_schema=schema)


def write(*tools: Tool, server: Server = SERVER) -> str:
    taken: set[str] = set()
    return write_module(server, [write_block("desk", tool, taken) for tool in tools])


def load(text: str) -> Any:
    """Import a module, and check its shapes as each start does."""
    module = types.ModuleType("agent.deploy.mcp_desk")
    module.__package__ = "agent.deploy"
    exec(compile(text, "mcp_desk.py", "exec"), vars(module))
    return module


def make_step(module: Any, **arguments: Any) -> Any:
    steps = JsonSteps(module.DeskStep)
    return steps.validate({"intent": "desk_put", **arguments})


def check(*texts: str, folder: Path) -> None:
    """Check texts as the repository does."""
    for number, text in enumerate(texts):
        (folder / f"m{number}.py").write_text(text, "utf-8")
    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        subprocess.run(["ruff", *words, "--config", CONFIG, folder], check=True)


def test_a_module_is_written_as_its_owner_would(golden: Path, tmp_path: Path) -> None:
    team = {"type": "object", "properties": {"name": STRING, "size": {"type": "integer"}}}
    ticket = Tool(
        name="createTicket",
        description="Create a ticket.\n\nA person reads it.",
        input_schema={
            "type": "object",
            "properties": {
                "title": {"type": "string", "maxLength": 80, "description": "One line"},
                "dueDate": {"type": "string", "format": "date"},
                "priority": {"enum": ["low", "high"], "default": "low"},
                "team": {**team, "required": ["name"], "description": "Who works on it."},
                "labels": {"type": "array", "items": STRING, "maxItems": 5},
                "extra": {"type": "object", "description": "Anything else"},
                "intent": {"type": ["string", "null"], "description": "Why"},
            },
            "required": ["title", "intent"],
        },
    )
    listed = Tool.model_validate(
        {
            "name": "list",
            "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": True},
        }
    )
    server = Server("desk", command=("npx", "-y", "desk-server"), env=("DESK_TOKEN",))
    text = write(ticket, listed, server=server)
    assert text == golden.read_text("utf-8")
    check(text, folder=tmp_path)


@pytest.fixture
def golden() -> Path:
    return Path(__file__).with_name("golden.txt")


def test_a_server_is_written_with_all_that_it_has(tmp_path: Path) -> None:
    oauth = OAuth("https://login.example", "DESK_CLIENT_ID", "DESK_CLIENT_SECRET", "read write")
    servers = (
        Server("desk", url="https://desk.example/mcp", oauth=oauth),
        Server("desk", url="https://desk.example/mcp", token="DESK_TOKEN"),
        Server("desk", command=("sh", "-c", 'echo "\u00e9" \\'), env=("A", "B")),
        Server("desk", url=f"https://desk.example/{'long/' * 30}"),
    )
    texts = [write(make_tool(), server=server) for server in servers]
    assert [load(text).SERVER for text in texts] == [*servers]
    check(*texts, folder=tmp_path)


HOSTILE = (
    '"""\nimport os\nos.system("true")\n"""',
    'ends with a quote"',
    "ends with a backslash \\",
    "\\N{BULLET} \\u0041 \\x41 {x} %s",
    "\u202eevil\u202c \u200bhidden\u200b \U000e0041\U000e0042 tags",
    "line\u2028separator\x85next\x0bvertical\x0cform\x1b[31mred",
    "# noqa\n# type: ignore\n# fmt: off",
    "\u0440\u0430\u0443\u0440\u0430l \u2013 \u2018quoted\u2019 \uff0c \u00e9\u00fc \u4f60\u597d",
    "x" * 5000,
    "word " * 2000,
    "",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_server_becomes_code(text: str, tmp_path: Path) -> None:
    properties: Schema = {
        "said": {"type": "string", "description": text, "default": text, "pattern": text},
        "one": {"enum": [text, "other"], "description": text},
        text: {"type": "string"},
        "inner": {"type": "object", "properties": {"a": STRING, text: STRING}, "description": text},
        "form": {"type": "string", "format": text},
    }
    name = "".join(char for char in text if char.isprintable())[:20] or "empty"
    source = write(make_tool(name, text, **properties), make_tool("put", text))
    tree = ast.parse(source)
    allowed = (ast.Expr, ast.ImportFrom, ast.Assign, ast.ClassDef, ast.AsyncFunctionDef)
    assert all(isinstance(node, allowed) for node in tree.body)
    assert sum(isinstance(node, ast.ImportFrom) for node in ast.walk(tree)) == 2
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {ast.unparse(call.func) for call in calls} <= {"mcp.Server", "mcp.Field", "SERVER.call"}
    assert all(line == "" or line.isprintable() for line in source.splitlines())
    assert "\u202e" not in source
    check_union(JsonSteps(load(source).DeskStep))
    check(source, folder=tmp_path)


def test_a_description_is_bounded_and_says_that_it_was_cut() -> None:
    found = tidy("word " * 2000, 100)
    assert len(found) <= 100
    assert found.endswith(" [cut]")


def test_every_character_that_stays_in_a_docstring_passes_the_checks(tmp_path: Path) -> None:
    chars = [chr(code) for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]
    said = [tidy("".join(chars[start : start + 40]), 80) for start in range(0, len(chars), 40)]
    lines = [f"X{n} = 1\n{write_docstring(text, '')}" for n, text in enumerate(said) if text]
    (tmp_path / "m.py").write_text("\n".join([*lines, ""]), "utf-8")
    rules = ["check", "--no-cache", "--isolated", "--select", "E501,RUF001,RUF002,RUF003,PLE,W"]
    subprocess.run(["ruff", *rules, "--line-length", "100", tmp_path], check=True)


def test_what_is_optional_may_be_left_to_the_server() -> None:
    module = load(write(make_tool(a=STRING, b={"type": ["string", "null"]}, required=["b"])))
    assert list_arguments(make_step(module, a=None, b=None)) == {"b": None}
    assert list_arguments(make_step(module, a="x", b="y")) == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    "name",
    ["intent", "class", "json", "model_dump", "list", "str", "fooBar", "2nd", "l", "_x", "$y"],
)
def test_an_argument_has_the_name_that_the_server_gave_it(name: str, tmp_path: Path) -> None:
    named: Schema = {name: STRING, "other": {"type": "array", "items": STRING}}
    source = write(make_tool(**named))
    module = load(source)
    (field,) = [
        field.alias or key
        for key, field in module.DeskPut.model_fields.items()
        if key not in ("intent", "other")
    ]
    step = make_step(module, **{field: "x", "other": ["y"]})
    assert list_arguments(step) == {name: "x", "other": ["y"]}
    check(source, folder=tmp_path)


def test_two_tools_never_have_one_name() -> None:
    inner = {"type": "object", "properties": {"a": STRING}}
    tools = [
        make_tool("create", TicketItem=inner),
        make_tool("create_ticket", item=inner),
        make_tool("create-ticket"),
        make_tool("step"),
        make_tool("\u4f60"),
    ]
    module = load(write(*tools))
    intents = [name for name in vars(module) if name.startswith("desk_")]
    assert len(intents) == 5
    check_union(JsonSteps(module.DeskStep))


@pytest.mark.parametrize(
    ("schema", "value", "sent"),
    [
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object", "additionalProperties": STRING}, '{"a": "b"}', {"a": "b"}),
        ({}, "[1, null]", [1, None]),
        ({"anyOf": [STRING, {"type": "object"}]}, '"x"', "x"),
        ({"enum": [{"a": 1}]}, '{"a": 1}', {"a": 1}),
        ({"$ref": "https://elsewhere.example/schema"}, "1", 1),
        ({"type": "array"}, ['{"a": 1}'], [{"a": 1}]),
    ],
)
def test_a_value_that_strict_modes_refuse_is_json_text(
    schema: Schema, value: Any, sent: Any
) -> None:
    source = write(make_tool(value=schema, required=["value"]))
    module = load(source)
    assert list_arguments(make_step(module, value=value)) == {"value": sent}
    assert "# Narrower than the server's own schema:" in source
    assert "mcp.JsonText" in source


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 5}, 5, 6),
        ({"type": "number", "exclusiveMinimum": 0}, 0.5, 0),
        ({"type": "string", "maxLength": 3}, "abc", "abcd"),
        ({"type": "array", "items": STRING, "minItems": 1}, ["a"], []),
        ({"enum": ["a", 1, None]}, None, "b"),
        ({"const": "only"}, "only", "other"),
        ({"anyOf": [{"type": "integer"}, STRING]}, 1, 1.5),
        ({"type": "integer"}, 1, True),
    ],
)
def test_what_a_type_can_say_is_checked_before_the_call(
    schema: Schema, good: Any, bad: Any
) -> None:
    module = load(write(make_tool(value=schema, required=["value"])))
    assert list_arguments(make_step(module, value=good)) == {"value": good}
    with pytest.raises(Exception, match="value"):
        make_step(module, value=bad)


def test_a_type_that_contains_itself_ends_in_text() -> None:
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {}}}}
    tree["properties"]["children"]["items"] = {"$ref": "#/properties/tree"}  # type: ignore[index]
    module = load(write(make_tool(tree=tree)))
    check_union(JsonSteps(module.DeskStep))


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object", "required": ["x"]}, "it requires 'x' and does not describe it"),
        ({"type": "array"}, "its arguments are not an object"),
        ({"type": "object", "properties": {"a\nb": STRING}, "required": ["a\nb"]}, "unusable name"),
        (
            {"type": "object", "properties": {f"p{number}": STRING for number in range(61)}},
            "more than 60 fields",
        ),
    ],
)
def test_arguments_that_cannot_be_a_shape_are_refused(schema: Schema, why: str) -> None:
    with pytest.raises(Unwritable, match=why):
        write_block("desk", Tool(name="put", input_schema=schema), set())


def test_bounds_that_contradict_each_other_are_left_to_the_server() -> None:
    source = write(
        make_tool(
            a={"type": "integer", "minimum": 5, "maximum": 1},
            b={"type": "integer", "minimum": 1e300},
        )
    )
    assert "mcp.Field" not in source
    assert "the server checks the bounds" in source


_NAMES = st.sampled_from(["a", "fooBar", "class", "intent", "x-y", "", "\n", "l", "\u00e9", "json"])
_TEXTS = st.text(max_size=30)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
_WORDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "x"])


def _grow(inner: Any) -> Any:
    odd: Schema = {
        "type": _WORDS | st.lists(_WORDS, max_size=3),
        "description": _TEXTS,
        "enum": st.lists(_ANY, max_size=3),
        "const": _ANY,
        "items": inner,
        "properties": st.dictionaries(_NAMES, inner, max_size=3),
        "required": st.lists(_NAMES, max_size=2),
        "anyOf": st.lists(inner, max_size=3),
        "allOf": st.lists(inner, max_size=2),
        "additionalProperties": inner | st.booleans(),
        "minimum": _ANY,
        "maximum": _ANY,
        "maxLength": _ANY,
        "minItems": _ANY,
        "format": _TEXTS,
        "default": _ANY,
        "$ref": st.sampled_from(["#", "#/properties/a", "#/$defs/x", "x"]),
    }
    return st.fixed_dictionaries({}, optional=odd)


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional={"type": _WORDS}), _grow, max_leaves=12)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.dictionaries(_NAMES, SCHEMAS, max_size=4), _TEXTS)
def test_whatever_a_server_describes_is_written_or_refused(
    properties: Schema, description: str
) -> None:
    tool = make_tool("put", description, **{"required": []} | properties)
    try:
        source = write(tool)
    except Unwritable:
        return
    assert all(len(line) <= 100 or " " not in line.strip() for line in source.splitlines())
    check_union(JsonSteps(load(source).DeskStep))
