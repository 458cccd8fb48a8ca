"""The rules of taste: what a machine can see of them without running the agent."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pytest_copier.plugin import CopierFixture

from create_12_factor_agent import catalog, generate

from .conftest import FULL, ROOT, tree

TEMPLATE = ROOT / "template"
AGENT = TEMPLATE / "src/agent"
COPIER = yaml.safe_load((ROOT / "copier.yml").read_text())
FOLDERS = {"llm": "llms", "store": "stores", "runner": "runners", "trigger": "triggers"}

CORE_LINES = 1000
"""Of code; see docs/decisions.md for what counts."""

FILES, TEST_FILES = 106, 49
"""How many files people get by default, beside `tests/` and in it."""

ADAPTER_LINES = 40
"""Of code in an adapter of a model; what they share stands beside them."""

LONG_MODULES: dict[str, int] = {}
"""Modules that may be longer than the rule, and how long."""

LONG_FUNCTIONS: dict[str, int] = {
    "template/src/agent/loop.py:advance": 26,  # the loop, on one screen
    "template/src/agent/thread.py:_after": 36,  # one case for each event
}
"""Functions that may be longer than the rule, and how long."""


def written(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the files people wrote, not what tools left behind."""
    left = re.compile(r"/(__pycache__|\.\w+_cache|\.venv|\.hypothesis)/")
    return sorted(
        path for path in folder.rglob(pattern) if path.is_file() and not left.search(str(path))
    )


def python_files() -> list[Path]:
    """Return the Python of both, without the one file that is a template."""
    return [*written(ROOT / "src", "*.py"), *written(TEMPLATE, "*.py")]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- the template ----------------------------------------------------------------------------


def test_python_is_verbatim_but_for_the_list_of_parts() -> None:
    assert [name(path) for path in written(TEMPLATE, "*.py.jinja")] in (
        [],
        ["template/src/agent/parts.py.jinja"],
    )


def test_no_path_has_a_variable_or_a_condition() -> None:
    odd = [path.name for path in TEMPLATE.rglob("*") if "{" in path.name]
    assert odd == ["{{ _copier_conf.answers_file }}.jinja"]


def test_the_project_file_is_toml_before_it_is_rendered() -> None:
    tomllib.loads((TEMPLATE / "pyproject.toml.jinja").read_text())


def test_a_block_tag_hides_in_a_comment_where_the_format_has_comments() -> None:
    markdown = (".md.jinja", "}}.jinja")
    for path in written(TEMPLATE, "*.jinja"):
        assert path.name.endswith(markdown) or "{%" not in path.read_text(), name(path)


def test_nothing_ever_needs_trust() -> None:
    assert not COPIER.keys() & {"_tasks", "_migrations", "_jinja_extensions"}


def test_lines_end_the_same_on_every_system() -> None:
    assert [name(path) for path in written(TEMPLATE) if b"\r" in path.read_bytes()] == []
    assert (TEMPLATE / ".gitattributes").read_text() == "* text=auto eol=lf\n"


def test_no_lock_file_is_part_of_the_template() -> None:
    assert not (TEMPLATE / "uv.lock").exists()


# -- parts -----------------------------------------------------------------------------------


def parts() -> list[tuple[str, str]]:
    return [
        (question.name, choice)
        for question in catalog.questions()
        for choice in question.choices
        if question.name in FOLDERS
    ]


@pytest.mark.parametrize(("question", "choice"), parts())
def test_a_part_is_a_module_and_a_test(question: str, choice: str) -> None:
    folder = FOLDERS[question]
    modules = (AGENT / folder / f"{choice}.py", AGENT / folder / f"{choice}/__init__.py")
    assert any(module.is_file() for module in modules)
    assert written(TEMPLATE / "tests" / folder, f"test_{choice}*.py")


@pytest.mark.parametrize("question", catalog.questions(), ids=lambda one: one.name)
def test_what_is_not_chosen_is_left_out_by_one_guarded_entry(question: catalog.Question) -> None:
    """The guard: Copier renders today's entries with the answers of yesterday's questions."""
    entries = [entry for entry in COPIER["_exclude"] if f"{question.name} " in entry]
    for choice in question.choices:
        if choice not in ("sqlite", "local", "none"):  # always there, or nothing
            assert any(f"'{choice}'" in entry for entry in entries), choice
    assert all(f"{{% if {question.name} is defined and" in entry for entry in entries)


def test_part_names_are_unique() -> None:
    names = [choice for question in catalog.questions() for choice in question.choices]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("answers", "absent", "present"),
    [
        ({"llm": []}, "llms/*openai*", "llms/*scripted*"),
        ({"llm": ["gemini"]}, "llms/*openai*", "llms/*gemini*"),
        ({"extra": ["ci"]}, "Dockerfile", ".github/workflows/check.yml"),
        ({"extra": ["docker"]}, ".github", "compose.yaml"),
        ({}, "*postgres*", "stores/sqlite.py"),
        ({"store": "postgres"}, "*procrastinate*", "stores/test_postgres.py"),
        ({"web": "none"}, "engine/http", "engine/cli"),
        ({"web": "none"}, "*inbox*", "engine/cli"),
        ({"web": "http"}, "*inbox*", "engine/http"),
    ],
)
def test_copier_leaves_out_what_was_not_chosen(
    copier: CopierFixture, tmp_path: Path, answers: dict[str, object], absent: str, present: str
) -> None:
    project = copier.copy(tmp_path / "my-agent", **answers)
    assert list((project / ".").rglob(absent)) == []
    assert list((project / ".").rglob(present)) != []


def test_copier_alone_refuses_what_cannot_be(copier: CopierFixture, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'runner': .* needs the store 'postgres'"):
        copier.copy(tmp_path / "my-agent", runner="procrastinate")


@pytest.mark.parametrize(
    ("where", "services"),
    [
        ({}, {"agent": 1}),
        ({"store": "postgres"}, {"agent": 1, "migrate": 1, "postgres": 1}),
        (
            {"store": "postgres", "runner": "procrastinate"},
            {"agent": 1, "worker": 2, "migrate": 1, "postgres": 1},
        ),
        ({"web": "none"}, {"agent": 1}),
        (
            {"store": "postgres", "runner": "procrastinate", "web": "none"},
            {"agent": 1, "migrate": 1, "postgres": 1},  # it is a worker itself
        ),
    ],
)
def test_compose_starts_what_the_parts_need(
    copier: CopierFixture, tmp_path: Path, where: dict[str, str], services: dict[str, int]
) -> None:
    project = copier.copy(tmp_path / "my-agent", **where)
    composed = yaml.safe_load((project / "compose.yaml").read_text())
    assert composed["services"].keys() == services.keys()
    for name, number in services.items():
        service = composed["services"][name]
        assert service.get("deploy", {"replicas": number})["replicas"] == number
        for other, until in service.get("depends_on", {}).items():
            needed = composed["services"][other]
            healthy = until["condition"] == "service_healthy"
            assert "healthcheck" in needed if healthy else needed["restart"] == "no"


@pytest.mark.parametrize(
    ("web", "command"),
    [("inbox", "agent serve"), ("http", "agent serve"), ("none", "agent worker")],
)
def test_what_runs_the_agent_fits_what_it_serves(
    copier: CopierFixture, tmp_path: Path, web: str, command: str
) -> None:
    project = Path(copier.copy(tmp_path / "my-agent", web=web) / ".")
    told = {name: (project / name).read_text() for name in TOLD}
    run = told["Makefile"].partition("\nrun:")[2].partition("\n\n")[0]
    assert run.endswith(f"\tuv run {command}")
    words = '", "'.join(command.split())
    assert f'\nCMD ["{words}"' in told["Dockerfile"]
    composed = yaml.safe_load(told["compose.yaml"])["services"]["agent"]
    served = web != "none"
    assert {"ports" in composed, "healthcheck" in composed, "EXPOSE" in told["Dockerfile"]} == {
        served
    }
    assert served or not [name for name, text in told.items() if "agent serve" in text]
    assert {"API_TOKENS" in told[".env.example"], "curl" in told["README.md"]} == {served}
    assert ("the [inbox](docs/inbox.md)" in told["README.md"]) == (web == "inbox")


TOLD = (".env.example", "compose.yaml", "Dockerfile", "Makefile", "README.md")


@pytest.mark.parametrize("answers", [{"web": "http"}, {"web": "none"}, {}, FULL], ids=str)
def test_no_page_leads_to_one_that_is_left_out(
    copier: CopierFixture, tmp_path: Path, answers: dict[str, object]
) -> None:
    project = Path(copier.copy(tmp_path / "my-agent", **answers) / ".")
    for page in project.rglob("*.md"):
        for link in re.findall(r"\]\(([\w./-]+\.md)", page.read_text()):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_copier_alone_makes_an_agent_named_like_its_folder(
    copier: CopierFixture, tmp_path: Path
) -> None:
    project = copier.copy(tmp_path / "My Agent")
    assert project.answers["project_name"] == "my-agent"
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == "my-agent"


def test_copier_makes_of_the_repository_what_the_program_makes(
    copier: CopierFixture, tmp_path: Path
) -> None:
    made = generate.new(tmp_path / "ours/my-agent", {}, ask=False)
    project = copier.copy(tmp_path / "theirs/my-agent")
    ours, theirs = tree(made.path), tree(project / ".")
    ours_, theirs_ = (
        [line for line in files.pop(".copier-answers.yml").splitlines() if b"_src" not in line]
        for files in (ours, theirs)
    )
    assert ours == theirs
    assert [line for line in ours_ if b"_commit" not in line] == [
        line for line in theirs_ if b"_commit" not in line
    ]


def test_a_schedule_is_shown_in_its_file_as_on_its_page() -> None:
    shipped = (TEMPLATE / "schedules.toml").read_text()
    page = (TEMPLATE / "docs/cron.md").read_text().partition("```toml\n")[2].partition("```")[0]
    example = "\n".join(
        line.removeprefix("# ") for line in shipped.partition("#\n")[2].splitlines()
    )
    assert tomllib.loads(shipped) == {}
    assert tomllib.loads(example) == tomllib.loads(page) != {}


@pytest.mark.parametrize(
    "description", ['He said "no"\\', "it's", "größer 🙂", "{{ 7 * 7 }} # %", "<b>"]
)
def test_every_description_survives(
    copier: CopierFixture, tmp_path: Path, description: str
) -> None:
    project = copier.copy(tmp_path / "my-agent", description=description)
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"]
    assert described == description
    assert project.answers["description"] == description


def test_an_owner_s_files_are_left_alone_by_an_update(
    copier: CopierFixture, tmp_path: Path
) -> None:
    project = copier.copy(tmp_path / "my-agent", llm=[])
    seed = project / "src/agent/control_flow.py"
    seed.unlink()
    project.run("git init -q && git add -A && git -c user.name=n -c user.email=e commit -qm x")
    project.update(llm=["openai"])
    assert not seed.exists()
    assert (project / "src/agent/llms/openai.py").is_file()


# -- size and shape --------------------------------------------------------------------------


def test_modules_are_short() -> None:
    limit = {"src": 150, "template": 160}
    long = {
        name(path): lines
        for path in (*python_files(), AGENT / "parts.py.jinja")
        if (lines := len(path.read_text().splitlines())) > limit[name(path).split("/")[0]]
        and "/tests/" not in name(path)
    }
    assert long == LONG_MODULES


def test_functions_are_short() -> None:
    long = {
        f"{name(path)}:{node.name}": lines
        for path in python_files()
        if "/tests/" not in name(path)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _code_lines(node)) > 25
    }
    assert long == LONG_FUNCTIONS


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the body without its docstring: a signature of many flags is no complexity."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_the_code_of_the_agent_s_core_fits_in_a_head(copier: CopierFixture, tmp_path: Path) -> None:
    """What the owner replaces is not counted, nor what explains: blank lines and docstrings."""
    agent = Path(copier.copy(tmp_path / "my-agent") / "src/agent")
    adapters = {"llms", "stores", "channels", "runners", "triggers"}
    others = adapters | {"tools", "control_flow.py", "app.py", "parts.py", "evals"}
    core = [path for path in agent.rglob("*.py") if path.relative_to(agent).parts[0] not in others]
    assert sum(lines_of_code(path.read_text()) for path in core) <= CORE_LINES


@pytest.mark.parametrize("name", FULL["llm"])
def test_an_adapter_of_a_model_is_thin(name: str) -> None:
    assert lines_of_code((AGENT / f"llms/{name}.py").read_text()) <= ADAPTER_LINES


def lines_of_code(text: str) -> int:
    """Count the lines that are neither blank nor a docstring of a module, class or field."""
    said = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    written = {number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    return len(written - said)


def test_blank_lines_and_docstrings_are_no_code() -> None:
    text = '"""Say."""\n\nimport io\n\nx = 1\n"""A field\n\nof two."""\ny = (\n    "x"\n)\n'
    assert lines_of_code(text) == 5


def test_the_default_agent_has_few_files(copier: CopierFixture, tmp_path: Path) -> None:
    project = Path(copier.copy(tmp_path / "my-agent") / ".")
    files = [path.relative_to(project) for path in project.rglob("*") if path.is_file()]
    tests = [path for path in files if path.parts[0] == "tests"]
    assert len(files) - len(tests) <= FILES
    assert len(tests) <= TEST_FILES


@pytest.mark.parametrize("number", range(1, 14))
def test_every_factor_has_a_home(number: int) -> None:
    """The first line of a module says which factor lives there; prompts have no docstring."""
    if number == 2:
        assert (AGENT / "prompts").is_dir()
        return
    homes = [
        name(path)
        for path in written(AGENT, "*.py")
        if re.match(
            rf"Factors? .*\b{number}\b.*:", ast.get_docstring(ast.parse(path.read_text())) or ""
        )
    ]
    assert homes


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in python_files()
        if not ast.get_docstring(ast.parse(path.read_text())) and "/tests/" not in name(path)
    ]
    assert silent == []


def test_comments_are_few_and_none_is_left_over() -> None:
    text = "\n".join(path.read_text() for path in python_files())
    assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b", text)
