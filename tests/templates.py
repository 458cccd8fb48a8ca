"""Small templates in git repositories of their own, for what is made and changed from them."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .conftest import ROOT

PYPROJECT = """\
dependencies = [
    # -- chosen parts --
    # % if "openai" in llm
    "openai>=2",
    # % endif
    # -- core --
    "typer>=0.20",
    # -- yours --
]
"""

ENV = """\
# % if "openai" in llm
# OPENAI_API_KEY=
# % endif
# -- yours --
"""


def quick(questions: str) -> str:
    """Take the longest list out of a copier.yml, which Copier reads again and again."""
    return re.sub(
        r"^  default: \[\n.*?^  \]\n", "  default: []\n", questions, flags=re.MULTILINE | re.DOTALL
    )


FILES = {
    "copier.yml": quick((ROOT / "copier.yml").read_text()),
    "docs/changelog.md": "# Changelog\n",
    "template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": PYPROJECT,
    "template/.env.example.jinja": ENV,
    "template/.gitignore": ".env\n",
    "template/README.md": "# An agent\n",
    "template/src/agent/engine/loop.py": "".join(
        f"line_{number} = {number}\n" for number in range(20)
    ),
    "template/src/agent/engine/llms/openai.py": "# openai\n",
    "template/src/agent/deploy/tools.py": "# a sample\n",
}
"""A small template with our questions, and one part of three shared files and one of its own."""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@localhost")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ran = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.rstrip("\n")


def write(folder: Path, files: Mapping[str, str | None]) -> Path:
    """Write files, and delete those that are None."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    return folder


def commit(folder: Path, files: Mapping[str, str | None], tag: str = "") -> str:
    """Write files and commit everything; return the commit."""
    write(folder, files)
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", tag or "Change")
    if tag:
        git(folder, "tag", "--annotate", tag, "--message", tag)
    return git(folder, "rev-parse", "HEAD")
