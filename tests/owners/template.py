"""A small template with two releases, which change each kind of file there is in one of ours."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, program
from tests.templates import FILES, git

SEED = "src/agent/deploy/"
"""What the template leaves to the owner after the first day."""


def _function(name: str, steps: int) -> str:
    body = "".join(f"    {name}_{step} = work({step}, {step * 7})\n" for step in range(steps))
    return f"\n\ndef {name}(work):\n    # {name} in {steps} steps\n{body}    return {name}_0\n"


def _module(subject: str, *functions: str) -> str:
    return f'"""The {subject} of the agent."""\n\n{subject.upper()} = 1\n' + "".join(
        _function(name, 5 + place) for place, name in enumerate(functions)
    )


LOOP = _module("loop", "advance", "decide", "observe", "finish", "resume")
STORE = _module("store", "append", "read", "lease", "release")
OPENAI = _module("openai", "request", "parse", "count")
CLOCK = _module("clock", "now", "later")
LEGACY = _module("legacy", "migrate", "downgrade")
MAIL = _module("mail", "fetch", "answer", "forward")
RETRY = _module("retry", "attempt", "wait")
REPORT = _module("report", "summarize", "publish")
GUIDE = "# Guide\n" + "".join(
    f"\n## Chapter {number}\n\nWhat to know of {number}.\nAnd a second line on {number}.\n"
    for number in range(1, 9)
)
PYPROJECT = '[project]\nname = "my-agent"\ndependencies = [\n' + "".join(
    f'    "package-{letter}>=1",\n' for letter in "abcdefgh"
) + ']\n\n[tool.ruff]\nline-length = 100\n\n[tool.mypy]\nstrict = true\n'  # fmt: skip
MAKEFILE = "".join(
    f"{goal}:\n\tuv run {goal}\n\n" for goal in ("check", "test", "format", "demo", "serve")
)
RUN = "#!/bin/sh\nset -eu\n" + "".join(f"echo step {number}\n" for number in range(12))
BATCH = "".join(f"echo step {number}\r\n" for number in range(12))
STRINGS = "".join(f"message {number}: hello\n" for number in range(30))
LATIN = "".join(f"Straße {number}, Köln\n" for number in range(15))
LOGO = b"LOGO\0\r\n" + bytes(range(256)) * 2
ICON = b"ICON\0" + bytes(range(255, -1, -1))


OLD: Mapping[str, bytes] = {
    ".gitignore": b".env\n/data/\n*.db\n",
    ".env.example": b"# MODEL=\n# STORE=threads.db\n# API_TOKENS=\n# PORT=8000\n# -- yours --\n",
    "Makefile": MAKEFILE.encode(),
    "README.md": b"# An agent\n\nYours from the first day.\n",
    "assets/icon.bin": ICON,
    "assets/logo.bin": LOGO,
    "docs/guide.md": GUIDE.encode(),
    "docs/notes.md": b"# Notes\n\nNothing of this changes.\nNever.\n",
    "docs/latin.txt": LATIN.encode("latin-1"),
    "docs/strings.txt": STRINGS.encode("utf-16"),
    "pyproject.toml": PYPROJECT.encode(),
    "scripts/check": RUN.replace("step", "check").encode(),
    "scripts/run.bat": BATCH.encode(),
    "scripts/run.sh": RUN.encode(),
    "src/agent/deploy/tools.py": b"# a sample\n",
    "src/agent/engine/clock.py": CLOCK.encode(),
    "src/agent/engine/legacy.py": LEGACY.encode(),
    "src/agent/engine/llms/openai.py": OPENAI.encode(),
    "src/agent/engine/loop.py": LOOP.encode(),
    "src/agent/engine/mail.py": MAIL.encode(),
    "src/agent/engine/store.py": STORE.encode(),
}
"""What v0.1.0 renders, but for the answers."""

MOVES = {"src/agent/engine/mail.py": "src/agent/post/office.py"}
"""Where v0.2.0 has files that v0.1.0 has elsewhere, as its changelog says."""


def _swap(name: str, *swaps: tuple[str, str], encoding: str = "utf-8") -> bytes:
    text = OLD[name].decode(encoding)
    for one, other in swaps:
        assert one in text, one
        text = text.replace(one, other, 1)
    return text.encode(encoding)


CHANGES: Mapping[str, bytes | None] = {
    ".env.example": _swap(".env.example", ("# PORT", "# TIMEOUT_S=30\n# PORT")),
    "Makefile": _swap("Makefile", ("uv run test", "uv run pytest")),
    "README.md": b"# A better agent\n",
    "assets/logo.bin": LOGO[:40] + b"\0BRIGHTER\0" + LOGO[40:],
    "docs/guide.md": _swap(
        "docs/guide.md", ("know of 3.", "know of 3, and why."), ("\n## Chapter 7", "\n## Part 7")
    ),
    "docs/latin.txt": _swap("docs/latin.txt", ("Straße 7", "Große Straße 7"), encoding="latin-1"),
    "docs/strings.txt": _swap("docs/strings.txt", ("20: hello", "20: bye"), encoding="utf-16"),
    "docs/retry.md": b"# Retry\n\nHow often, and how long it waits.\n",
    "pyproject.toml": _swap(
        "pyproject.toml", ("package-c>=1", "package-c>=2"), ("strict = true", "strict = false")
    ),
    "scripts/run.bat": _swap("scripts/run.bat", ("step 5", "step five")),
    "scripts/run.sh": _swap("scripts/run.sh", ("step 8", "step eight")),
    "src/agent/deploy/rollback.py": b"# a new sample\n",
    "src/agent/deploy/tools.py": b"# a better sample\n",
    "src/agent/engine/legacy.py": None,
    "src/agent/engine/llms/openai.py": _swap(
        "src/agent/engine/llms/openai.py", ("parse_2 = work(2, 14)", "parse_2 = work(2, 15)")
    ),
    "src/agent/engine/loop.py": _swap(
        "src/agent/engine/loop.py",
        ("LOOP = 1\n", "LOOP = 2\n"),
        ("    decide_3 = work(3, 21)\n", ""),
        ("    finish_0 =", "    started = True\n    finish_0 ="),
    ),
    "src/agent/engine/mail.py": None,
    "src/agent/post/office.py": MAIL.replace("answer_2 = work(2", "answer_2 = wait(2").encode(),
    "src/agent/engine/retry.py": RETRY.encode(),
    "src/agent/engine/store.py": _swap(
        "src/agent/engine/store.py", ("lease_1 = work(1, 7)", "lease_1 = wait(1, 7)")
    ),
    "src/agent/metrics/report.py": REPORT.encode(),
}
"""What v0.2.0 renders differently; `scripts/check` can be executed by then."""

NEW: Mapping[str, bytes] = {
    name: held for name, held in {**OLD, **CHANGES}.items() if held is not None
}


@dataclass(frozen=True)
class Releases:
    """The template, and what the program makes of each release."""

    path: Path
    old: Path
    new: Path

    @property
    def variables(self) -> dict[str, str]:
        """Variables with which the program is one that came with this template."""
        return {"PYTHONPATH": str(self.path / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def release(folder: Path) -> Releases:
    """Make both releases in an empty folder, and a repository of each."""
    releases = Releases(folder / "template", folder / "old/my-agent", folder / "new/my-agent")
    _write(releases.path, OLD)
    _program(releases.path)
    for tag, made in (("v0.1.0", releases.old), ("v0.2.0", releases.new)):
        git(releases.path, "add", "--all")
        git(releases.path, "commit", "--quiet", "--message", tag)
        git(releases.path, "tag", "--annotate", tag, "--message", tag)
        made.parent.mkdir()
        done = program("my-agent", "--yes", "--no-install", cwd=made.parent, **releases.variables)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(releases.path / "template")
        _write(releases.path, NEW)
        items = [f"- moved: `{here}` → `{there}`\n" for here, there in MOVES.items()]
        (releases.path / "docs/changelog.md").write_text(f"# Changelog\n\n{''.join(items)}")
        (releases.path / "template/scripts/check").chmod(0o755)
    git(releases.path, "reset", "--quiet", "--hard")
    return releases


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    answers = "{{ _copier_conf.answers_file }}.jinja"
    shared = {name: FILES[name].encode() for name in ("copier.yml", "docs/changelog.md")}
    shared[f"template/{answers}"] = FILES[f"template/{answers}"].encode()
    for name, held in (shared | {f"template/{name}": held for name, held in files.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(held)
    (folder / "template/scripts/run.sh").chmod(0o755)


def _program(template: Path) -> None:
    """Put the program beside the template, as in a clone of it."""
    git(template, "init", "--quiet", "--initial-branch=main")
    (template / ".git/info/exclude").write_text("/src/\n")
    (template / "src").mkdir()
    (template / "src/create_12_factor_agent").symlink_to(ROOT / "src/create_12_factor_agent")
