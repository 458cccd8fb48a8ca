"""What would work on Linux only, in this program and in an agent, found without another system."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, checked_in, program

CODE = [ROOT / name for name in checked_in() if re.match(r"(template/)?src/.*\.py$", name)]

POSIX = {
    "fork", "geteuid", "getuid", "getpgid", "killpg", "mkfifo", "openpty", "setsid", "uname",
    "SIGHUP", "SIGKILL", "SIGSTOP", "SIGUSR1", "SIGUSR2",
}  # fmt: skip
"""Names of `os` and `signal` that Windows does not have."""
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
RESERVED = re.compile(r'[<>:"|?*\\]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
"""What no file on Windows may be called."""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Give each call in a module, with the name of what is called."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            yield node, name


def says_encoding(call: ast.Call, place: int) -> bool:
    return len(call.args) > place or any(word.arg == "encoding" for word in call.keywords)


def test_every_text_is_read_and_written_in_one_encoding() -> None:
    """Without one, Windows takes that of the country."""
    wrong = []
    for path in CODE:
        for call, name in calls(path):
            given = {word.arg for word in call.keywords}
            of_path = isinstance(call.func, ast.Attribute)
            silent = (
                (name == "read_text" and of_path and not says_encoding(call, 0))
                or (name == "write_text" and of_path and not says_encoding(call, 1))
                or (name in ("run", "Popen") and "text" in given and "encoding" not in given)
            )
            if silent:
                wrong.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert wrong == []


def test_names_that_windows_does_not_have_are_asked_for_first() -> None:
    """By `hasattr` or `getattr`, or their absence is caught."""
    wrong = []
    for path in CODE:
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in POSIX:
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                if owner in ("os", "signal") and f'hasattr({owner}, "{node.attr}")' not in text:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.attr}")
    assert wrong == []


def test_modules_that_windows_does_not_have_are_imported_where_that_may_fail() -> None:
    for path in CODE:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not MODULES & {*names}, path


def test_event_loops_of_windows_take_no_signals_and_no_files() -> None:
    names = {"add_signal_handler", "add_reader"}
    for path in CODE:
        text = path.read_text("utf-8")
        if any(name in names for _, name in calls(path)):
            assert "NotImplementedError" in text, path


def test_every_path_can_be_checked_out_on_every_system() -> None:
    paths = checked_in()
    odd = [name for name in paths for part in name.split("/") if RESERVED.search(part)]
    assert odd == []
    assert len({name.casefold() for name in paths}) == len(paths)
    assert max(map(len, paths)) < 150  # of 260, with the folder that it is in


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_whole_whatever_a_pipe_can_encode(encoding: str, tmp_path: Path) -> None:
    name = "größer 日本"
    words = ("--yes", "--no-install", "--no-git", "--project-name", "x", "--llm", "none")
    ran = program(name, *words, "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["path"] == str(tmp_path / name)


def test_a_path_that_a_pipe_cannot_encode_is_escaped(tmp_path: Path) -> None:
    words = ("--yes", "--no-install", "--no-git", "--project-name", "x", "--llm", "none")
    ran = program("größer 日本", *words, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("/gr\\xf6\\xdfer \\u65e5\\u672c\n")
    assert (tmp_path / "größer 日本/pyproject.toml").is_file()


PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def test_the_workflows_run_on_every_python_and_every_system() -> None:
    theirs, ours = (
        yaml.safe_load((ROOT / folder / ".github/workflows/check.yml").read_text("utf-8"))["jobs"]
        for folder in ("template", ".")
    )
    assert theirs["check"]["strategy"]["matrix"]["python"] == PYTHONS
    of_the_suite = [step.get("with", {}) for step in ours["check"]["steps"]]
    (python,) = [given["python-version"] for given in of_the_suite if "python-version" in given]
    assert sorted([*ours["python"]["strategy"]["matrix"]["python"], python]) == PYTHONS
    systems = ours["platforms"]["strategy"]["matrix"]["system"]
    assert systems == ["macos-latest", "windows-latest"]
