"""The template: what is rendered, what a part is made of, and what Copier alone makes of it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pytest_copier.plugin import CopierFixture

from create_12_factor_agent import catalog, engine, generate

from . import variants
from .conftest import ROOT, tree
from .menu import Answers

TEMPLATE = ROOT / "template"
COPIER = yaml.safe_load((ROOT / "copier.yml").read_text())

FOLDERS = {"llm": "llms", "store": "stores", "runner": "runners"}
"""Where the parts of a question are side by side; another part has a folder of its own."""

BESIDE = {
    "http": [
        "nginx.conf",
        "kubernetes/postgres/worker.yaml",
        "src/agent/engine/mcp/endpoint",
        "tests/engine/mcp/test_endpoint.py",
    ],
    "cron": ["schedules.toml"],
    "webhook": ["webhooks.toml"],
    "docker": ["Dockerfile", ".dockerignore", "compose.yaml"],
    "kubernetes": ["kubernetes/"],
    "sqlite": ["kubernetes/base/storage.yaml"],
    "postgres": ["kubernetes/postgres/"],
    "ci": [".github/workflows/check.yml", ".github/workflows/update.yml"],
    "engine-tests": ["tests/engine/"],
}
"""What a part brings beside its code, the tests of it and its page."""

WITHOUT_CODE = ("docker", "kubernetes", "ci", "engine-tests")
ALWAYS_THERE = ("sqlite", "local")
"""Parts whose code every agent has, chosen or not."""
ALWAYS_THERE_IN_PART = ("engine-tests",)
"""Every agent has some of its files, as the contracts of the ports."""


SERVER: Answers = {"store": "postgres"}


def written(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the files people wrote, not what tools left behind."""
    left = re.compile(r"/(__pycache__|\.\w+_cache|\.venv|\.hypothesis)/")
    return sorted(
        path for path in folder.rglob(pattern) if path.is_file() and not left.search(str(path))
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- the template ----------------------------------------------------------------------------


def test_python_is_verbatim_but_for_the_list_of_parts_and_for_names() -> None:
    """Only the list has blocks; what starts the agents, and tests, may hold a name."""
    jinja = {name(path): path.read_text() for path in written(TEMPLATE, "*.py.jinja")}
    del jinja["template/src/agent/engine/parts.py.jinja"]
    for file, text in jinja.items():
        assert file.startswith(("template/src/agent/app.py", "template/tests/")), file
        assert not re.search(r"{%|# %", text), file


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


def places(part: str) -> tuple[str, str]:
    """Return where the code of a part and its tests are, below `engine`, as patterns."""
    question = variants.PARTS[part].name
    if question not in FOLDERS:
        return rf"{part}/", rf"{part}/"
    return rf"{FOLDERS[question]}/{part}(/|\.py$)", rf"{FOLDERS[question]}/({part}/|test_{part})"


@pytest.mark.parametrize("part", variants.PARTS)
def test_a_part_is_a_folder_its_mirror_in_the_tests_and_a_page(
    part: str, newest: Path, tmp_path: Path
) -> None:
    code, tests = places(part)
    shared = [f"src/agent/engine/{code}", f"tests/engine/{tests}", rf"docs/{part}\.md$"]
    its_own = re.compile("|".join([*shared, *map(re.escape, BESIDE.get(part, ()))]))
    without, having = (
        rendered(newest, tmp_path / str(place), answers)
        for place, answers in enumerate(variants.step(part, variants.FULL))
    )
    assert [name for name in having - without if not its_own.match(name)] == []
    if part not in ALWAYS_THERE + ALWAYS_THERE_IN_PART:
        assert [name for name in without if its_own.match(name)] == []
    for pattern in shared[:2]:
        found = [name for name in having if re.match(pattern, name)]
        assert bool(found) == (part not in WITHOUT_CODE), pattern


def rendered(template: Path, folder: Path, answers: Answers) -> set[str]:
    engine.render(template, folder, answers | {"project_name": "my-agent"})
    return {*tree(folder)}


@pytest.mark.parametrize("part", variants.optional())
def test_one_entry_leaves_out_the_code_of_a_part_with_its_tests(part: str) -> None:
    entries = [one for one in COPIER["_exclude"] if re.search(rf"%}}\*\*/\S*\b{part}\b", one)]
    assert len(entries) == (part not in ALWAYS_THERE + WITHOUT_CODE)


@pytest.mark.parametrize(
    "part",
    [
        part
        for part, question in variants.PARTS.items()
        if question.name not in FOLDERS and part not in WITHOUT_CODE
    ],
)
def test_a_part_with_a_folder_of_its_own_has_a_page(part: str) -> None:
    assert (TEMPLATE / f"docs/{part}.md").is_file()


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
        ({"extra": ["ci"]}, "Dockerfile", ".github/workflows/update.yml"),
        ({"extra": ["docker"]}, ".github", "compose.yaml"),
        ({"extra": ["docker"]}, "docs/ci.md", "compose.yaml"),
        ({"extra": ["ci"]}, "docs/docker.md", "docs/ci.md"),
        ({}, "*postgres*", "stores/sqlite"),
        ({}, "kubernetes*", "Dockerfile"),
        ({"extra": ["kubernetes"]}, "kubernetes/postgres", "kubernetes/base/storage.yaml"),
        ({"extra": ["kubernetes"]}, "Dockerfile", "docs/kubernetes.md"),
        ({"extra": ["kubernetes"], **SERVER}, "storage.yaml", "kubernetes/postgres/worker.yaml"),
        ({"extra": ["kubernetes"], **SERVER, "web": "none"}, "worker.yaml", "migrate.yaml"),
        ({"store": "postgres"}, "*procrastinate*", "stores/postgres"),
        ({"web": "none"}, "engine/http", "engine/cli"),
        ({"web": "none"}, "nginx.conf", "engine/cli"),
        ({"web": "none"}, "*inbox*", "engine/cli"),
        ({"web": "http"}, "*inbox*", "engine/http"),
        ({"web": "http"}, "*inbox*", "nginx.conf"),
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
    assert {"ports" in composed, "EXPOSE" in told["Dockerfile"]} == {served}
    assert ("/healthz" in told["Dockerfile"]) == served
    assert served or not [name for name, text in told.items() if "agent serve" in text]
    assert {"API_TOKENS" in told[".env.example"], "curl" in told["README.md"]} == {served}
    assert ("the [inbox](docs/inbox.md)" in told["README.md"]) == (web == "inbox")


TOLD = (".env.example", "compose.yaml", "Dockerfile", "Makefile", "README.md")


@pytest.mark.parametrize("answers", [{"web": "http"}, {"web": "none"}, {}, variants.FULL], ids=str)
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
    seed = project / "src/agent/deploy/control_flow.py"
    seed.unlink()
    project.run("git init -q && git add -A && git -c user.name=n -c user.email=e commit -qm x")
    project.update(llm=["openai"])
    assert not seed.exists()
    assert (project / "src/agent/engine/llms/openai.py").is_file()
