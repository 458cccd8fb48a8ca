"""Bringing an agent into a project that was there before, and keeping it current there."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from create_12_factor_agent import adopt, engine, publish

from .conftest import FULL, Agent, Ran, Run, owner_s_environment, tree
from .templates import FILES, commit, git, write
from .test_cli import Screen

# -- hosts -----------------------------------------------------------------------------------

UV_SRC = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"
description = "Sells things."
requires-python = ">=3.11"
dependencies = [
    "httpx>=0.27",
]

[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
""",
    "uv.lock": "",
    "src/shop/__init__.py": "PRICE = 5\n",
    "tests/test_shop.py": "from shop import PRICE\n\n\ndef test_price():\n    assert PRICE == 5\n",
}

UV_APP = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.12"
dependencies = []

[dependency-groups]
dev = ["pytest>=8.4"]
""",
    "uv.lock": "",
    "main.py": "PRICE = 5\n",
    "app/__init__.py": "",
}

UV_FLAT = UV_SRC | {
    "pyproject.toml": UV_SRC["pyproject.toml"] + '\n[tool.uv.build-backend]\nmodule-root = ""\n',
    "shop/__init__.py": "PRICE = 5\n",
}
del UV_FLAT["src/shop/__init__.py"]

POETRY = {
    "pyproject.toml": """\
[tool.poetry]
name = "shop"
version = "1.0"
description = "Sells things."
packages = [{ include = "shop", from = "src" }]

[tool.poetry.dependencies]
python = "^3.11"
rich = "^14.1"

[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"
""",
    "src/shop/__init__.py": "",
}

POETRY_2 = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"
""",
    "poetry.lock": "",
    "shop/__init__.py": "",
}

SETUPTOOLS = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["typer>=0.30"]

[project.optional-dependencies]
dev = ["pytest>=8"]

[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
""",
    "shop/__init__.py": "",
    "shop/prices/__init__.py": "",
}

SETUPTOOLS_SRC = SETUPTOOLS | {
    "pyproject.toml": SETUPTOOLS["pyproject.toml"]
    + '\n[tool.setuptools.packages.find]\nwhere = ["src"]\n',
    "src/shop/__init__.py": "",
}
del SETUPTOOLS_SRC["shop/__init__.py"], SETUPTOOLS_SRC["shop/prices/__init__.py"]

HATCH = {
    "pyproject.toml": """\
[project]
name = "my-shop"
version = "1.0"
requires-python = ">=3.11"
dynamic = ["description"]
dependencies = []

[project.scripts]
shop = "my_shop:main"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
    "my_shop/__init__.py": "",
}

HATCH_PACKAGES = HATCH | {
    "pyproject.toml": HATCH["pyproject.toml"]
    + '\n[tool.hatch.build.targets.wheel]\npackages = ["lib/shop"]\n',
}

HOSTS = {
    "uv": UV_SRC, "uv, no package": UV_APP, "uv, flat": UV_FLAT, "Poetry": POETRY,
    "Poetry, [project]": POETRY_2, "setuptools": SETUPTOOLS, "setuptools, src": SETUPTOOLS_SRC,
    "Hatch": HATCH, "Hatch, packages": HATCH_PACKAGES,
}  # fmt: skip

# -- a small template ------------------------------------------------------------------------

PYPROJECT = """\
[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"

[project]
name = "{{ project_name }}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = [
    # -- chosen parts --
    # % if "openai" in llm
    "openai>=2,<4",
    # % endif
    # % if store == "postgres"
    "psycopg[binary,pool]>=3.2,<4",
    # % endif
    # -- core --
    "typer>=0.20",
    "rich>=14",
    # -- yours --
]

[project.scripts]
agent = "agent.engine.main:main"

[dependency-groups]
dev = [
    # -- tests --
    "pytest>=8.4",
    "anyio>=4.12", # runs the async tests
    # -- checks --
    "ruff>=0.14",
    # -- yours --
]

[tool.uv.build-backend]
module-name = "agent"
"""

MAKEFILE = """\
.PHONY: setup run check test test-all

setup:     ## install everything
	uv sync

run:       ## run the threads
	uv run agent worker

check:     ## look
	uv run ruff check

test:      ## your agents
	uv run pytest

test-all: test ## all
	uv run pytest -m "" tests/engine
"""

ENV = """\
# Copy to .env.

# -- models --
# Which model.

# % if "openai" in llm
# OpenAI.
# OPENAI_API_KEY=

# % endif
# % if store == "postgres"
# PostgreSQL: where it is.
# DATABASE_URL=postgresql://

# % endif
# -- yours --
"""

IGNORED = "# -- secrets and state --\n.env\n*.db\n# -- what tools leave behind --\n.venv/\n"

TEMPLATE = FILES | {
    "template/pyproject.toml.jinja": PYPROJECT,
    "template/.env.example.jinja": ENV,
    "template/.gitignore": IGNORED,
    "template/Makefile.jinja": MAKEFILE,
    "template/AGENTS.md": "rules\n",
    "template/people.toml": "# people\n",
    "template/docs/security.md": "# Security\n",
    "template/docs/models.md": "# Models\n",
    "template/src/agent/__init__.py": "",
    "template/src/agent/engine/stores/postgres/__init__.py": "",
    "template/tests/__init__.py": "",
    "template/tests/conftest.py": "",
    "template/tests/deploy/__init__.py": "",
    "template/tests/deploy/test_tools.py": "",
    "template/tests/engine/__init__.py": "",
    "template/tests/engine/conftest.py": "",
    "template/evals/__init__.py": "",
    "template/evals/conftest.py": "",
    "template/pytest-agent.toml.jinja": "[tool.pytest.ini_options]\n",
}

OURS = {
    ".copier-answers.yml", "docs/models.md", "docs/security.md", "evals/__init__.py",
    "evals/conftest.py", "people.toml", "pytest-agent.toml", "src/agent/__init__.py",
    "src/agent/deploy/tools.py", "src/agent/engine/llms/openai.py", "src/agent/engine/loop.py",
    "tests/deploy/__init__.py", "tests/deploy/test_tools.py", "tests/engine/__init__.py",
    "tests/engine/conftest.py",
}  # fmt: skip
"""What comes of it into a project that has none of these."""


@pytest.fixture
def small(template: Path) -> Path:
    """Give the small template with what a project is told of."""
    commit(template, TEMPLATE, "v0.2.0")
    return template


Make = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def make(small: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a project of some files, and go there."""

    def make(files: Mapping[str, str]) -> Path:
        path = small.with_name("product")
        commit(path, files)
        monkeypatch.chdir(path)
        return path

    return make


@pytest.fixture
def adopted(make: Make, run: Run) -> Path:
    """Give a project with an agent in it, committed."""
    path = make(UV_SRC | {"docs/security.md": "ours is elsewhere\n"})
    assert run("adopt").code == 0
    commit(path, {})
    return path


def files(path: Path) -> dict[str, bytes]:
    return {name: held for name, held in tree(path).items() if not name.startswith(".git/")}


def lines(ran: Ran) -> dict[str, str]:
    """Return what belongs in files of the project, by file and place."""
    return {f"{one['file']}, {one['place']}": one["text"] for one in json.loads(ran.out)["lines"]}


# -- what arrives ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_an_agent_arrives_and_no_file_is_changed(make: Make, run: Run, host: str) -> None:
    path = make(HOSTS[host])
    before = files(path)
    ran = run("adopt")
    assert (ran.code, ran.out) == (0, f"{path}\n")
    after = files(path)
    assert {name: after[name] for name in before} == before
    assert {*after} - {*before} == OURS
    assert git(path, "diff", "HEAD") == ""
    recorded = after[".copier-answers.yml"].decode()
    assert "\nadopted: true\n" in recorded
    assert "\nhost_files: []\n" in recorded
    assert recorded.startswith("_commit: v0.2.0\n")


def test_it_answers_as_small_as_can_be_and_calls_it_as_the_project_is_called(
    make: Make, run: Run
) -> None:
    make(UV_SRC)
    told = json.loads(run("adopt", "--store", "postgres", "--json", "--dry-run").out)
    assert told["answers"] == {
        "adopted": True, "host_files": [], "project_name": "shop", "description": "Sells things.",
        "llm": ["openai"], "store": "postgres", "runner": "local", "web": "none", "trigger": [],
        "sample": "deploy", "extra": [],
    }  # fmt: skip


def test_the_help_says_so(run: Run) -> None:
    told = " ".join(run("adopt", "--help").out.split())
    assert "What it serves, beside the command line. [default: none]" in told
    assert "What else the repository should have. [default: none]" in told
    assert "Name of the project. [default: the project's]" in told
    assert "Which agent it starts with. [default: deploy]" in told


@pytest.mark.slow
def test_in_a_terminal_only_the_sample_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "product"
    commit(path, UV_SRC)
    screen = Screen(path, "adopt", TERM="xterm")
    screen.until("it starts with")
    screen.type("\x1b[B\r")
    assert screen.ended() == 0
    others = ("Name of the project", "in one line", "Models it can call", "threads are kept")
    assert not [one for one in others if one in screen.text]
    assert "sample: assistant" in (path / ".copier-answers.yml").read_text()


def test_a_dry_run_lists_the_files_and_changes_nothing(make: Make, run: Run) -> None:
    path = make(UV_SRC)
    before = tree(path)
    ran = run("adopt", "--dry-run")
    assert (ran.code, ran.out.splitlines()) == (0, sorted(OURS))
    assert "Would bring" in ran.err
    assert tree(path) == before


def test_git_says_what_it_ignores(make: Make, run: Run) -> None:
    make(UV_SRC | {".gitignore": "loop.py\n"})
    assert "git ignores src/agent/engine/loop.py: add it with git add --force." in run("adopt").err


# -- what belongs in the project's own files -----------------------------------------------

NEEDED = '"openai>=2,<4",\n"typer>=0.20",\n"rich>=14",'
NEW_DEV = '[dependency-groups]\ndev = [\n    "pytest>=8.4",\n    "anyio>=4.12",\n]'
SCRIPT = 'agent = "agent.engine.main:main"'
END = "pyproject.toml, at the end"

TOLD: dict[str, dict[str, str | list[str]]] = {
    "uv": {
        "pyproject.toml, [project], in `dependencies`": NEEDED,
        END: [NEW_DEV, f"[project.scripts]\n{SCRIPT}",
              '[tool.uv.build-backend]\nmodule-name = ["shop", "agent"]'],
    },
    "uv, no package": {
        "pyproject.toml, [project], in `dependencies`": NEEDED,
        "pyproject.toml, [dependency-groups], in `dev`": '"anyio>=4.12",',
        END: [f"[project.scripts]\n{SCRIPT}",
              '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n\n'
              '[tool.uv.build-backend]\nmodule-name = "agent"'],
    },
    "uv, flat": {
        "pyproject.toml, in place of [build-system]":
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
            '[tool.hatch.build.targets.wheel]\npackages = ["shop", "src/agent"]',
    },
    "Poetry": {
        "pyproject.toml, [tool.poetry.dependencies]": 'openai = ">=2,<4"\ntyper = ">=0.20"',
        "pyproject.toml, [tool.poetry]":
            'packages = [{ include = "shop", from = "src" }, { include = "agent", from = "src" }]',
        END: [f"[tool.poetry.scripts]\n{SCRIPT}",
              '[tool.poetry.group.dev.dependencies]\npytest = ">=8.4"\nanyio = ">=4.12"'],
    },
    "Poetry, [project]": {
        "pyproject.toml, [project], in `dependencies`": NEEDED,
        END: ['[tool.poetry]\npackages = [{ include = "shop" }, '
              '{ include = "agent", from = "src" }]'],
    },
    "setuptools": {
        "pyproject.toml, [project], in `dependencies`": '"openai>=2,<4",\n"rich>=14",',
        "pyproject.toml, [project.optional-dependencies], in `dev`":
            '"pytest>=8.4",\n"anyio>=4.12",',
        END: ['[tool.setuptools.packages.find]\nwhere = [".", "src"]\n'
              'include = ["shop*", "agent*"]\n\n'
              '[tool.setuptools.package-data]\nagent = ["**/*"]'],
    },
    "setuptools, src": {END: ['[tool.setuptools.package-data]\nagent = ["**/*"]']},
    "Hatch": {
        "pyproject.toml, [project.scripts]": SCRIPT,
        END: ['[tool.hatch.build.targets.wheel]\npackages = ["my_shop", "src/agent"]'],
    },
    "Hatch, packages": {
        "pyproject.toml, [tool.hatch.build.targets.wheel]":
            'packages = ["lib/shop", "src/agent"]',
    },
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_what_belongs_into_pyproject_is_told_as_the_project_writes_it(
    make: Make, run: Run, host: str
) -> None:
    make(HOSTS[host])
    told = json.loads(run("adopt", "--json").out)["lines"]
    found = [(f"{one['file']}, {one['place']}", one["text"]) for one in told]
    for place, texts in TOLD[host].items():
        for text in [texts] if isinstance(texts, str) else texts:
            assert (place, text) in found, found


def test_the_other_files_are_told_too(make: Make, run: Run) -> None:
    workflow = {".github/workflows/check.yml": "jobs: {}\n", "Makefile": "test:\n\tpytest\n"}
    make(UV_SRC | workflow)
    told = lines(run("adopt", "--json"))
    assert told[".gitignore, at the end"] == ".env\n*.db"
    assert told[".env.example, at the end"] == "# OpenAI.\n# OPENAI_API_KEY="
    assert told[".github/workflows/check.yml, after the step that runs your tests"] == (
        "- run: uv run pytest -c pytest-agent.toml"
    )
    assert told["Makefile, at the end"] == (
        ".PHONY: agent-run\nagent-run: ## run the threads\n\tuv run agent worker\n\n"
        ".PHONY: agent-test\nagent-test: ## your agents\n\tuv run pytest -c pytest-agent.toml\n\n"
        ".PHONY: agent-test-all\nagent-test-all: agent-test ## all\n"
        '\tuv run pytest -c pytest-agent.toml -m "" tests/engine'
    )


def test_a_tool_runs_as_the_project_runs_it(make: Make, run: Run) -> None:
    make(POETRY | {"Makefile": "test:\n\tpytest\n"})
    ran = run("adopt", "--dry-run")
    assert "agent-run: ## run the threads\n\tpoetry run agent worker\n" in ran.err
    ran = run("adopt", "--json")
    assert json.loads(ran.out)["tests"] == "poetry run pytest -c pytest-agent.toml"
    assert "\tpoetry run agent worker" in lines(ran)["Makefile, at the end"]


def test_what_the_project_has_is_left_out(make: Make, run: Run) -> None:
    text = UV_SRC["pyproject.toml"].replace(
        '"httpx>=0.27",', '"OpenAI>=2.1", "typer>=0.20", "rich==14.1",'
    )
    text += f"[project.scripts]\n{SCRIPT}\n"
    text += '[dependency-groups]\ndev = ["pytest>=9"]\nlint = ["anyio~=4.12"]\n'
    text += '[tool.uv.build-backend]\nmodule-name = ["shop", "agent"]\n'
    make(UV_SRC | {
        "pyproject.toml": text, ".gitignore": "/.env\n*.db\n", ".env.example": "OPENAI_API_KEY=\n",
    })  # fmt: skip
    assert lines(run("adopt", "--json")) == {}


def test_ruff_leaves_out_the_agent_where_it_is_used(make: Make, run: Run) -> None:
    ruff = '[tool.ruff]\nline-length = 79\nextend-exclude = ["evals"]\n'
    make(UV_SRC | {"pyproject.toml": f"{UV_SRC['pyproject.toml']}\n{ruff}"})
    told = lines(run("adopt", "--json"))["pyproject.toml, [tool.ruff], in `extend-exclude`"]
    assert told == '"src/agent",\n"tests/deploy",\n"tests/engine",'


def test_a_version_that_may_be_too_old_is_told(make: Make, run: Run) -> None:
    text = UV_SRC["pyproject.toml"].replace('"httpx>=0.27"', '"typer>=0.9", "rich>=14"')
    make(UV_SRC | {"pyproject.toml": text})
    ran = run("adopt")
    assert "In place of typer>=0.9, which is not enough.\n" in ran.err
    assert '"typer>=0.20",\n' in ran.err
    assert '"rich' not in ran.err


def test_requirements_may_be_in_a_file_of_their_own(make: Make, run: Run) -> None:
    text = SETUPTOOLS["pyproject.toml"].replace(
        'dependencies = ["typer>=0.30"]', 'dynamic = ["dependencies"]'
    )
    text += '[tool.setuptools.dynamic]\ndependencies = { file = ["requirements.txt"] }\n'
    make(SETUPTOOLS | {"pyproject.toml": text, "requirements.txt": "rich>=14 # for tables\n"})
    assert (
        lines(run("adopt", "--json"))["requirements.txt, at the end"] == "openai>=2,<4\ntyper>=0.20"
    )


def test_a_command_that_has_the_name_is_told(make: Make, run: Run) -> None:
    make(
        UV_SRC | {"pyproject.toml": UV_SRC["pyproject.toml"] + '[project.scripts]\nagent = "x:y"\n'}
    )
    assert "You have a command 'agent' already" in run("adopt").err


def test_a_flat_setuptools_project_is_warned(make: Make, run: Run) -> None:
    make(SETUPTOOLS)
    assert "looks for packages in src/ alone as soon as there is such a folder" in run("adopt").err


def test_a_build_backend_nobody_knows_gets_words(make: Make, run: Run) -> None:
    make(
        HATCH
        | {
            "pyproject.toml": HATCH["pyproject.toml"].replace(
                "hatchling.build", "flit_core.buildapi"
            )
        }
    )
    assert "the settings of flit_core:\nAdd the package src/agent there." in run("adopt").err


# -- what the project has where the agent would ----------------------------------------------


def test_a_page_and_a_data_file_of_the_project_stay_for_ever(
    make: Make, run: Run, small: Path
) -> None:
    own = {"docs/security.md": "ours\n", "people.toml": "ours\n", "README.md": "ours\n"}
    path = make(UV_SRC | own)
    ran = run("adopt")
    assert ran.code == 0
    assert re.search(
        r"Left out, .*:\n  docs/security.md: links .*\n  people.toml: the agent reads yours\n",
        ran.err,
    )
    assert (
        "host_files:\n- docs/security.md\n- people.toml\n"
        in (path / ".copier-answers.yml").read_text()
    )
    commit(path, {})
    newer = {
        "docs/security.md": "newer",
        "people.toml": "newer",
        "AGENTS.md": "newer",
        "Makefile.jinja": "newer:\n",
    }
    commit(small, {f"template/{name}": text for name, text in newer.items()}, "v0.3.0")
    assert run("update").code == 0
    assert git(path, "status", "--short") == " M .copier-answers.yml"
    assert {name: (path / name).read_text() for name in own} == own


@pytest.mark.parametrize("link", ["docs", "docs/security.md"])
def test_nothing_is_written_through_a_link(make: Make, run: Run, tmp_path: Path, link: str) -> None:
    elsewhere = write(tmp_path / "elsewhere", {"security.md": "theirs"})
    path = make(UV_SRC)
    (path / link).parent.mkdir(exist_ok=True)
    (path / link).symlink_to(elsewhere if link == "docs" else elsewhere / "security.md")
    commit(path, {})
    assert run("adopt").code == 0
    assert tree(elsewhere) == {"security.md": b"theirs"}
    assert "- docs/security.md\n" in (path / ".copier-answers.yml").read_text()


IN_THE_WAY = {
    "a package": ({"src/agent/__init__.py": ""}, "src/agent: the agent is in this folder"),
    "a folder": ({"src/agent/notes.md": ""}, "src/agent: the agent is in this folder"),
    "a flat package": ({"agent/tools.py": ""}, "agent: the agent is imported by this name"),
    "a module": ({"agent.py": ""}, "agent.py: the agent is imported by this name"),
    "a module in src": ({"src/agent.py": ""}, "src/agent.py: the agent is imported by this name"),
    "a test": ({"tests/deploy/test_tools.py": ""}, "tests/deploy: the agent's tests are in a"),
    "other tests": ({"tests/engine/test_motor.py": ""}, "tests/engine: the agent's tests are in a"),
    "evals": ({"evals/run.py": ""}, "evals: the agent's tests are in a folder"),
    "settings": ({"pytest-agent.toml": ""}, "pytest-agent.toml: the agent has one of that name"),
    "a file for a folder": ({"evals": ""}, "evals: the agent has one of that name"),
    "a name in tests": (
        {"src/engine/__init__.py": ""},
        "src/engine: your tests would import tests/engine by this name; add tests/__init__.py",
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_code_in_the_way_is_refused(make: Make, run: Run, case: str) -> None:
    there, problem = IN_THE_WAY[case]
    path = make(UV_SRC | there)
    before = tree(path)
    ran = run("adopt")
    assert ran.code == 2
    assert problem in ran.err
    assert ran.err.startswith("Error: ")
    assert tree(path) == before


def test_all_that_is_in_the_way_is_told_at_once(make: Make, run: Run) -> None:
    path = make(UV_SRC | {
        "agent.py": "", "tests/engine/conftest.py": "", "docs/security.md": "",
        "pyproject.toml": UV_SRC["pyproject.toml"].replace(">=3.11", ">=3.9"),
    })  # fmt: skip
    before = tree(path)
    ran = run("adopt")
    assert (ran.code, tree(path)) == (2, before)
    assert ran.err == (
        "Error: Nothing was changed, because this is in the way:\n"
        "  agent.py: the agent is imported by this name\n"
        '  pyproject.toml: it allows a Python that is too old; write: requires-python = ">=3.11"\n'
        "  tests/engine: the agent's tests are in a folder of this name\n"
        "  tests/engine/conftest.py: the agent has one of that name\n"
        "  docs/security.md: yours would stay, and the agent's be left out\n"
        "Change that, then try again: code of yours is never overwritten.\n"
    )


def test_a_folder_called_agent_without_code_is_not_in_the_way(make: Make, run: Run) -> None:
    make(UV_SRC | {"agent/notes.md": "", "src/engine/__init__.py": "", "tests/__init__.py": ""})
    assert run("adopt").code == 0


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ('requires-python = ">=3.9,<3.14"', 'requires-python = ">=3.11,<3.14"'),
        ('requires-python = "~=3.10"', 'requires-python = ">=3.11"'),
        ('requires-python = ">3.10"', 'requires-python = ">=3.11"'),
        ('requires-python = ">=3.11.2"', ""),
        ('requires-python = "==3.12.*"', ""),
        ("", ""),
    ],
)
def test_the_project_may_not_allow_an_older_python(
    make: Make, run: Run, given: str, wanted: str
) -> None:
    text = UV_SRC["pyproject.toml"].replace('requires-python = ">=3.11"', given)
    make(UV_SRC | {"pyproject.toml": text})
    ran = run("adopt")
    assert ran.code == (2 if wanted else 0)
    assert f"it allows a Python that is too old; write: {wanted}\n" in ran.err or not wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("^3.10", ">=3.11,<4"), ("^2.7 || ^3.11", ">=3.11,<4"), ("*", ">=3.11"), ("~3.11", "")],
)
def test_poetry_has_ranges_of_its_own(make: Make, run: Run, given: str, wanted: str) -> None:
    make(POETRY | {"pyproject.toml": POETRY["pyproject.toml"].replace("^3.11", given)})
    ran = run("adopt")
    assert ran.code == (2 if wanted else 0)
    assert f'write: python = "{wanted}"\n' in ran.err or not wanted


# -- where it cannot be brought in -----------------------------------------------------------

SOON = '[project]\nrequires-python = "soon"\n'
OTHER_TEMPLATE = {".copier-answers.yml": "_src_path: gh:else/where\n"}


@pytest.mark.parametrize(
    ("there", "problem", "hint"),
    [
        ({"README.md": ""}, "has no pyproject.toml.", "create-12-factor-agent my-agent"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml cannot be read: ", "Correct it."),
        ({"pyproject.toml": SOON}, "'soon' is not a range", "Correct it."),
        (UV_SRC | OTHER_TEMPLATE, "was made from another template", "a folder of its own"),
    ],
)  # fmt: skip
def test_what_is_no_such_project_is_told(
    make: Make, run: Run, there: dict[str, str], problem: str, hint: str
) -> None:
    path = make(there)
    before = tree(path)
    ran = run("adopt")
    assert (ran.code, tree(path)) == (2, before)
    first, second = ran.err.splitlines()
    assert problem in first
    assert hint in second


def test_a_folder_that_is_not_there_is_told(make: Make, run: Run) -> None:
    make(UV_SRC)
    ran = run("adopt", "nowhere")
    assert ran.code == 2
    assert "does not exist." in ran.err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("has_git", [True, False])
def test_without_a_commit_it_could_not_be_taken_back(
    run: Run, tmp_path: Path, *, has_git: bool
) -> None:
    path = write(tmp_path / "product", UV_SRC)
    if has_git:
        git(path, "init", "--quiet")
    ran = run("adopt", "product")
    assert ran.code == 2
    assert (
        "is not in a git repository with a commit to return to.\nRun: git init && git add"
        in ran.err
    )
    assert files(path).keys() == UV_SRC.keys()


@pytest.mark.usefixtures("adopted")
def test_a_second_agent_is_refused(run: Run) -> None:
    assert run("../my-agent", "--yes", "--no-install").code == 0
    again = run("adopt", "../my-agent")
    assert again.code == 2
    assert "my-agent has an agent.\n" in again.err
    ran = run("adopt")
    assert ran.code == 2
    assert "product has an agent.\nIts newest version: create-12-factor-agent update\n" in ran.err


def test_a_package_of_a_larger_repository_gets_one(make: Make, run: Run) -> None:
    path = make({f"packages/shop/{name}": text for name, text in UV_SRC.items()} | {"other.py": ""})
    write(path, {"other.py": "being edited", "packages/shop/src/shop/new.py": "being written"})
    git(path, "add", "other.py")
    assert run("adopt", "packages/shop").code == 0
    assert git(path, "diff", "--cached", "--name-only") == "other.py"
    assert (path / "other.py").read_text() == "being edited"
    assert {name for name in files(path / "packages/shop") if name not in UV_SRC} == OURS | {
        "src/shop/new.py"
    }
    assert run("update", "--abort", "--project", "packages/shop").code == 0
    assert files(path / "packages/shop").keys() == UV_SRC.keys() | {"src/shop/new.py"}


def test_the_change_of_another_project_is_not_undone(make: Make, run: Run) -> None:
    path = make(UV_SRC | {f"packages/inner/{name}": text for name, text in UV_SRC.items()})
    assert run("adopt", "packages/inner").code == 0
    commit(path, {})
    assert run("adopt").code == 0
    assert run("update", "--abort", "--project", "packages/inner/src").code == 2
    assert run("update", "--abort", "--project", "src").code == 0
    assert git(path, "status", "--short") == ""


def test_a_folder_nobody_may_write_to_is_told(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(UV_SRC)
    before = files(path)
    replace = Path.replace

    def refuse(self: Path, to: Path) -> Path:
        if to == path / "src/agent/engine/loop.py":
            raise PermissionError(13, "Permission denied", str(to))
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", refuse)
    ran = run("adopt")
    assert ran.code == 1
    assert ran.err.splitlines()[-2].startswith("Error: Permission denied: ")
    assert files(path) == before
    assert git(path, "status", "--short") == ""


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "moment", [(engine, "stamp"), (adopt, "_committed"), (publish, "_prepare")]
)
def test_ctrl_c_changes_nothing(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch, moment: tuple[object, str]
) -> None:
    path = make(UV_SRC)
    before = tree(path)
    monkeypatch.setattr(*moment, stop)
    ran = run("adopt")
    assert (ran.code, ran.err.splitlines()[-2:]) == (
        130,
        ["Error: Stopped.", "Nothing was changed."],
    )
    assert files(path) == {
        name: held for name, held in before.items() if not name.startswith(".git/")
    }


KILLED = """
import os, sys
from create_12_factor_agent import publish, source
from pathlib import Path
source._CHECKOUT = Path(sys.argv.pop(1))
move, moved = publish._move, []
def killed(ready, place):
    move(ready, place)
    moved.append(place)
    if len(moved) == 5:
        os.kill(os.getpid(), 9)
publish._move = killed
from create_12_factor_agent.__main__ import main
main()
"""


@pytest.mark.parametrize("how", ["--abort", "--continue"])
def test_one_that_was_killed_is_undone_or_finished(
    make: Make, run: Run, small: Path, how: str
) -> None:
    path = make(UV_SRC)
    before = files(path)
    killed = subprocess.run([sys.executable, "-c", KILLED, small, "adopt"], check=False)
    assert killed.returncode == -9
    assert len(files(path)) == len(before) + 5
    ran = run("adopt")
    assert ran.code == 2
    assert "A change (adopt v0.2.0) was stopped halfway." in ran.err
    assert run("update", how).code == 0
    assert files(path).keys() == before.keys() | (OURS if how == "--continue" else set())
    assert not list(path.rglob("tests/engine")) or how == "--continue"


def test_one_is_undone_until_it_is_committed(make: Make, run: Run) -> None:
    path = make(UV_SRC | {"docs/guide.md": ""})
    before = files(path)
    assert run("adopt").code == 0
    assert "uv sync" not in run("update", "--abort").err
    assert files(path) == before
    assert git(path, "status", "--short") == ""
    assert run("adopt").code == 0
    commit(path, {})
    assert run("update", "--abort").code == 2


# -- the project's own tool ------------------------------------------------------------------


def tool(path: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program first on the path that keeps what it is told; return what it keeps."""
    log = path.parent / "told"
    program = path.parent / f"bin/{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{log}"\n{body}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return log


@pytest.mark.parametrize(("host", "dev"), [("uv", "--dev"), ("Poetry", "--group dev")])
def test_the_tool_of_the_project_adds_what_it_needs(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch, host: str, dev: str
) -> None:
    path = make(HOSTS[host])
    log = tool(path, host.lower(), "", monkeypatch)
    ran = run("adopt", "--apply")
    rich = "" if host == "Poetry" else " rich>=14"
    assert (
        log.read_text()
        == f"add openai>=2,<4 typer>=0.20{rich}\nadd {dev} pytest>=8.4 anyio>=4.12\n"
    )
    assert ran.code == 3  # this tool adds nothing


def test_what_was_added_is_not_told(make: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(UV_SRC)
    needed = '"openai>=2,<4", "typer>=0.20", "rich>=14", "pytest>=8.4", "anyio>=4.12"'
    tool(path, "uv", f"sed -i 's/\"httpx>=0.27\"/{needed}/' pyproject.toml", monkeypatch)
    ran = run("adopt", "--apply", "--json")
    assert ran.code == 0
    assert not [place for place in lines(ran) if "dependenc" in place]


def test_a_tool_that_fails_is_quoted_and_the_agent_is_there(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(UV_SRC)
    tool(path, "uv", "echo 'no solution found' >&2; exit 1", monkeypatch)
    ran = run("adopt", "--apply")
    assert ran.code == 3
    assert (
        "Note: This failed: uv add 'openai>=2,<4' 'typer>=0.20' 'rich>=14'\nno solution found\n"
        in ran.err
    )
    assert files(path).keys() >= OURS
    assert '"openai>=2,<4",' in ran.err


def test_what_the_project_has_in_another_version_is_left_to_its_owner(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = UV_SRC["pyproject.toml"].replace('"httpx>=0.27"', '"typer>=0.9", "openai>=2"')
    log = tool(make(UV_SRC | {"pyproject.toml": text}), "uv", "", monkeypatch)
    ran = run("adopt", "--apply")
    assert ran.code == 3
    assert "In place of typer>=0.9, which is not enough.\n" in ran.err
    assert log.read_text().startswith("add rich>=14\n")


def test_pip_adds_nothing_and_says_so(make: Make, run: Run) -> None:
    make(SETUPTOOLS)
    ran = run("adopt", "--apply")
    assert ran.code == 3
    assert "pip adds nothing to a file: add the lines below, then install the project." in ran.err
    assert '"openai>=2,<4",' in ran.err


# -- later -----------------------------------------------------------------------------------


def change(run: Run, *arguments: str) -> Ran:
    return run(*arguments, "--json")


def handed(ran: Ran, side: str) -> dict[str, str]:
    told = json.loads(ran.out)["handover"][side]
    return {f"{one['file']}, {one['place']}": "\n".join(one["lines"]) for one in told}


def test_a_part_that_comes_brings_lines_and_one_that_goes_takes_them(
    adopted: Path, run: Run
) -> None:
    before = (adopted / "pyproject.toml").read_bytes()
    ran = change(run, "add", "postgres")
    assert ran.code == 3
    assert handed(ran, "came") == {
        "pyproject.toml, [project], in `dependencies`": '"psycopg[binary,pool]>=3.2,<4",',
        ".env.example, at the end": "# PostgreSQL: where it is.\n# DATABASE_URL=postgresql://",
    }
    assert handed(ran, "went") == {}
    assert (adopted / "pyproject.toml").read_bytes() == before
    assert (adopted / "src/agent/engine/stores/postgres/__init__.py").is_file()
    text = before.decode().replace('"httpx>=0.27",', '"psycopg[binary,pool]>=3.3",')
    commit(adopted, {"pyproject.toml": text, ".env.example": "DATABASE_URL=\n"})
    ran = run("add", "sqlite")
    assert ran.code == 3
    assert (
        "Lines that your project no longer needs for the agent:\n\n"
        "pyproject.toml, [project], in `dependencies`:\n"
        '"psycopg[binary,pool]>=3.2,<4",\n\n'
        ".env.example, at the end:\n"
        "# PostgreSQL: where it is.\n# DATABASE_URL=postgresql://\n"
    ) in ran.err
    assert "  uv run pytest -c pytest-agent.toml\n" in ran.err
    assert not (adopted / "uv.lock").read_bytes()


def test_an_update_brings_changes_and_lines_and_nothing_of_the_project_s(
    adopted: Path, small: Path, run: Run
) -> None:
    commit(adopted, {"people.toml": "# ana\n", "docs/new.md": "of the project\n"})
    newer = PYPROJECT.replace('"rich>=14"', '"rich>=15"')
    commit(small, {
        "template/pyproject.toml.jinja": newer, "template/AGENTS.md": "newer\n",
        "template/docs/new.md": "new\n", "template/docs/security.md": "newer\n",
        "template/src/agent/engine/new.py": "",
    }, "v0.3.0")  # fmt: skip
    assert run("update", "--check").code == 4
    assert run("update", "--dry-run").code == 0
    assert git(adopted, "status", "--short") == ""
    ran = change(run, "update")
    assert ran.code == 3
    assert handed(ran, "came") == {"pyproject.toml, [project], in `dependencies`": '"rich>=15",'}
    assert json.loads(ran.out)["handover"]["left_out"] == ["docs/new.md"]
    assert git(adopted, "status", "--short").splitlines() == [
        " M .copier-answers.yml", "?? src/agent/engine/new.py",
    ]  # fmt: skip
    assert "- docs/new.md\n- docs/security.md\n" in (adopted / ".copier-answers.yml").read_text()
    commit(adopted, {})
    commit(small, {"template/docs/new.md": "newer\n"}, "v0.4.0")
    assert run("update").code == 0
    assert (adopted / "docs/new.md").read_text() == "of the project\n"
    assert run("update", "--abort").code == 0


def test_nothing_is_installed_by_an_update(
    adopted: Path, small: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tool(adopted, "uv", "", monkeypatch)
    commit(small, {"template/src/agent/engine/new.py": ""}, "v0.3.0")
    assert run("update").code == 0
    assert not log.exists()


def test_plain_copier_brings_nothing_of_the_project_s(adopted: Path, small: Path, run: Run) -> None:
    from copier import run_update

    newer = {name: f"{text}# newer\n" for name, text in TEMPLATE.items() if "answers" not in name}
    commit(small, newer | {"copier.yml": TEMPLATE["copier.yml"]}, "v0.3.0")
    mine = {name: held for name, held in files(adopted).items() if name not in OURS}
    run_update(adopted, defaults=True, overwrite=True, quiet=True, vcs_ref="v0.3.0")
    plain = files(adopted)
    assert {name: plain[name] for name in mine} == mine
    assert plain.keys() == OURS | mine.keys()
    assert plain["src/agent/engine/loop.py"].endswith(b"# newer\n")
    assert b"adopted: true" in plain[".copier-answers.yml"]
    assert b"host_files:\n- docs/security.md\n" in plain[".copier-answers.yml"]
    git(adopted, "reset", "--quiet", "--hard")
    git(adopted, "clean", "--quiet", "-fd")
    assert run("update").code == 0
    assert files(adopted) == plain


@pytest.mark.usefixtures("adopted")
def test_status_and_diff_know_what_is_the_project_s(run: Run) -> None:
    told = json.loads(run("status", "--json").out)["files"]
    assert {*told} == OURS - {".copier-answers.yml", "docs/security.md"}
    assert {*told.values()} == {"pristine", "yours"}
    ran = run("diff", "docs/security.md")
    assert ran.code == 0
    assert "-# Security\n+ours is elsewhere\n" in ran.out
    assert run("diff", "docs/nothing.md").code == 2


def paste(path: Path, told: list[dict[str, str]]) -> None:
    """Do what a person does who is told these lines."""
    for one in told:
        file, place, text = path / one["file"], one["place"], one["text"]
        held = file.read_text() if file.exists() else ""
        for setting in re.findall(r"In place of the `(.*)` that is there", one["why"]):
            held = re.sub(rf"^{setting} = .*\n", "", held, flags=re.MULTILINE)
        if "In place of the table" in one["why"]:
            held = re.sub(
                r"^\[tool.setuptools.packages.find\]\n(.+\n)*", "", held, flags=re.MULTILINE
            )
        if within := re.fullmatch(r"\[.*\], in `(.*)`", place):
            held = held.replace(f"\n{within[1]} = [", f"\n{within[1]} = [\n{text}\n", 1)
        elif place == "in place of [build-system]":
            held = re.sub(r"^\[build-system\]\n(.+\n)*", f"{text}\n", held, flags=re.MULTILINE)
        elif place.startswith("["):
            held = held.replace(f"{place}\n", f"{place}\n{text}\n", 1)
        else:
            held += f"\n{text}\n"
        file.write_text(held)


@pytest.mark.parametrize("host", HOSTS)
def test_the_doctor_names_the_lines_that_are_missing(make: Make, run: Run, host: str) -> None:
    path = make(HOSTS[host])
    told = json.loads(run("adopt", "--json").out)["lines"]
    commit(path, {})
    found = run("doctor")
    assert found.code == 0
    assert (
        "note project: Lines of the agent are missing in .env.example, .gitignore, pyp" in found.out
    )
    assert all(f"     {line}\n" in found.out for line in told[0]["text"].split("\n"))
    paste(path, told)
    assert "ok   project: it has every line of the agent\n" in run("doctor").out


def test_the_doctor_does_not_ask_for_uv_where_it_is_not_used(
    make: Make, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make(POETRY)
    assert run("adopt").code == 0
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    monkeypatch.delenv("UV", raising=False)
    assert "uv:" not in run("doctor").out


# -- beside the command that makes a repository ----------------------------------------------


def test_a_folder_with_a_project_in_it_names_the_command(make: Make, run: Run) -> None:
    path = make(UV_SRC)
    ran = run(".", "--yes")
    assert ran.code == 1
    assert ran.err == (
        f"Error: Already there and not empty: {path}\nChoose another folder. To bring an agent "
        f"into the project there: create-12-factor-agent adopt {path}\n"
    )


@pytest.mark.usefixtures("adopted")
def test_its_answers_make_a_repository_of_its_own(run: Run) -> None:
    ran = run("../mine", "--answers", ".copier-answers.yml", "--yes", "--no-install", "--no-git")
    assert ran.code == 0
    recorded = Path("../mine/.copier-answers.yml").read_text()
    assert "adopted" not in recorded
    assert "host_files" not in recorded
    assert "project_name: shop\n" in recorded


# -- the tests of both -----------------------------------------------------------------------


def test_the_agent_s_tests_have_the_settings_that_they_have_alone(
    newest: Path, tmp_path: Path
) -> None:
    for name, given in (("alone", {}), ("adopted", {"adopted": True})):
        everything = {"llm": ["openai"], "trigger": ["slack"], "extra": ["engine-tests"]}
        engine.render(newest, tmp_path / name, {"project_name": "shop", **everything, **given})
    alone, ours = (
        tomllib.loads((tmp_path / file).read_text())["tool"]["pytest"]["ini_options"]
        for file in ("alone/pyproject.toml", "adopted/pytest-agent.toml")
    )
    assert ours.pop("testpaths") == ["tests/deploy", "evals"]
    assert ours.pop("pythonpath") == [".", "src"]
    apart = " --confcutdir=tests/engine -p no:asyncio"
    assert ours | {"addopts": ours["addopts"].removesuffix(apart)} == {
        name: value for name, value in alone.items() if name not in ("testpaths", "pythonpath")
    }


OWN_TESTS = {
    "tests/conftest.py": "def helper():\n    return 1\n",
    "tests/domain.py": "",
    "tests/test_first.py": (
        "import sys\nfrom pathlib import Path\n\n\n"
        "def test_nothing_of_the_agent_is_here():\n"
        "    here = Path(__file__).parents[1]\n"
        "    ours = [str(here / one) for one in ('tests/engine', 'tests/deploy', 'evals')]\n"
        "    assert not [one for one in sys.path if one in ours]\n"
    ),
    "tests/zz/test_tools.py": "def test_tools():\n    pass\n",
}
"""Tests with names that the agent's have, too."""

FLAT = OWN_TESTS | {
    "tests/test_last.py": "from conftest import helper\n\n\ndef test_it():\n    assert helper()\n"
}
PACKAGE = OWN_TESTS | {
    "tests/__init__.py": "",
    "tests/zz/__init__.py": "",
    "tests/test_last.py": "from .conftest import helper\n\n\ndef test_it():\n    assert helper()\n",
}


@pytest.mark.parametrize(
    ("own", "settings"),
    [
        (FLAT, ""),
        (FLAT, 'testpaths = ["tests"]\nfilterwarnings = ["error"]\naddopts = "--strict-markers"'),
        (PACKAGE, ""),
        (PACKAGE, 'addopts = "--import-mode=importlib"'),
        (PACKAGE, 'pythonpath = ["."]\nconsider_namespace_packages = true'),
    ],
    ids=["flat", "flat, strict", "packages", "importlib", "namespaces"],
)
def test_the_project_s_own_run_is_what_it_was(
    run: Run, tmp_path: Path, own: dict[str, str], settings: str
) -> None:
    """Before anything of the agent was installed, too."""
    path = tmp_path / "product"
    text = f"{UV_SRC['pyproject.toml']}\n[tool.pytest.ini_options]\n{settings}\n"
    commit(path, {"pyproject.toml": text, **own})
    before = own_run(path)
    assert "3 passed" in before
    assert run("adopt", "product", "--yes").code == 0
    assert (path / "tests/engine/conftest.py").is_file()
    assert own_run(path) == before


def own_run(path: Path) -> str:
    """Run pytest as the project's owner does; return what it says, without the time."""
    ran = pytest_in(path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return re.sub(r"=* (\d+ passed) in .*", r"\1", ran.stdout)


def pytest_in(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest without the plugins that happen to be here."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=path, env=owner_s_environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("folder", ["tests/engine", "tests/deploy", "evals"])
def test_whoever_runs_the_agent_s_tests_otherwise_is_told_how(
    run: Run, tmp_path: Path, folder: str
) -> None:
    path = tmp_path / "product"
    commit(path, UV_SRC)
    assert run("adopt", "product", "--yes").code == 0
    ran = pytest_in(path, folder)
    assert "the agent's tests need: pytest -c pytest-agent.toml" in ran.stdout
    assert "no tests ran" in ran.stdout


def test_nothing_that_a_project_has_of_its_own_is_brought(newest: Path, tmp_path: Path) -> None:
    """A new file of the template is the agent's, or is left out of projects in copier.yml."""
    given = FULL | {"store": "postgres", "runner": "procrastinate", "adopted": True}
    engine.render(newest, tmp_path, {"project_name": "shop", **given})
    assert {path.name for path in tmp_path.iterdir()} == {
        ".copier-answers.yml", "docs", "evals", "people.toml", "prices.toml", "pytest-agent.toml",
        "sample", "schedules.toml", "src", "tests", "webhooks.toml",
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "src").iterdir()} == {"agent"}
    assert {path.name for path in (tmp_path / "tests").iterdir()} == {"deploy", "engine"}


def test_a_repository_of_its_own_has_none_of_this(newest: Path, tmp_path: Path) -> None:
    engine.render(newest, tmp_path / "alone", {"project_name": "shop"})
    apart = ("pytest-agent.toml", "evals/conftest.py", "tests/deploy/__init__.py")
    assert not [name for name in apart if (tmp_path / "alone" / name).exists()]
    assert "adopted" not in (tmp_path / "alone/.copier-answers.yml").read_text()


# -- with everything installed ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("host", [name for name in HOSTS if name != "uv, no package"])
def test_a_wheel_of_the_project_has_both(run: Run, tmp_path: Path, host: str) -> None:
    path = tmp_path / "product"
    package = {"lib/shop/__init__.py": ""} if host == "Hatch, packages" else {}
    commit(path, HOSTS[host] | package)
    paste(path, json.loads(run("adopt", "product", "--json").out)["lines"])
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", "../out"], cwd=path, check=True
    )
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with ZipFile(wheel) as held:
        names = {*held.namelist()}
    own = "my_shop/__init__.py" if host == "Hatch" else "shop/__init__.py"
    assert {
        own, "agent/engine/main.py", "agent/deploy/prompts/system.md", "agent/engine/log/events.py",
    } <= names  # fmt: skip
    assert not [name for name in names if name.startswith(("tests/", "evals/", "src/"))]


APP = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
dev = ["pytest>=8.4"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
""",
    "uv.lock": 'version = 1\nrequires-python = ">=3.11"\n',
    "app/__init__.py": "",
    "app/main.py": "PRICE = 5\n",
    "tests/conftest.py": (
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef price(monkeypatch):\n"
        '    monkeypatch.setenv("PRICE", "5")\n    monkeypatch.setenv("MODEL", "nonsense")\n'
    ),
    "tests/test_app.py": (
        "import os\n\nfrom app.main import PRICE\n\n\n"
        'def test_price():\n    assert os.environ["PRICE"] == str(PRICE)\n'
    ),
}


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("files", [pytest.param(UV_SRC, id="package"), pytest.param(APP, id="app")])
def test_the_tests_of_both_run(run: Run, tmp_path: Path, files: dict[str, str]) -> None:
    path = tmp_path / "product"
    lock = {"uv.lock": APP["uv.lock"]}
    commit(path, files | lock)
    ran = run("adopt", "product", "--apply", "--json", "--llm", "openai,anthropic")
    assert ran.code == 0, ran.err
    paste(path, json.loads(ran.out)["lines"])
    product = Agent(path, owner_s_environment())
    assert " 1 passed" in product.run("uv run --quiet pytest")
    assert re.search(r" \d\d passed", product.run("uv run --quiet pytest -c pytest-agent.toml"))
    assert re.search(
        r" \d\d\d passed", product.run("uv run --quiet pytest -c pytest-agent.toml tests/engine")
    )
    assert "deployed" in product.run("uv run --quiet agent demo")
    assert " 1 passed" in product.run("uv run --quiet pytest")
