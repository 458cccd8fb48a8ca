import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from create_12_factor_agent import terminal

from .conftest import PROGRAM, Run, program

QUICK = ("--yes", "--no-git", "--no-install")


def test_it_makes_the_folder_and_prints_only_its_path_on_stdout(run: Run, tmp_path: Path) -> None:
    ran = run("my-agent", *QUICK)
    assert ran.code == 0
    assert ran.out == f"{tmp_path / 'my-agent'}\n"
    assert (tmp_path / "my-agent/src/agent/app.py").is_file()


def test_what_it_took_by_default_is_said(run: Run) -> None:
    ran = run("my-agent", "--extra", "ci", *QUICK)
    assert "  llm: openai\n" in ran.err
    assert "  project_name: my-agent\n" in ran.err
    assert "  extra: " not in ran.err


def test_the_next_commands_can_be_pasted(run: Run, tmp_path: Path) -> None:
    ran = run("with space/it's", "--project-name", "x", *QUICK)
    commands = [line.strip() for line in ran.err.splitlines() if line.startswith("  ")]
    cd = next(command for command in commands if command.startswith("cd "))
    shell = subprocess.run(["sh", "-c", f"{cd} && pwd"], capture_output=True, text=True, check=True)
    assert shell.stdout.strip() == str(tmp_path / "with space/it's")
    assert "uv run agent demo" in commands
    assert 'uv run agent run "Deploy the latest tag to staging"' in commands


def test_without_a_model_no_command_needs_a_key(run: Run) -> None:
    assert "MODEL=" not in run("my-agent", "--llm", "none", *QUICK).err


def test_the_page_of_each_trigger_is_named(run: Run) -> None:
    lines = run("my-agent", "--trigger", "slack,cron", *QUICK).err.splitlines()
    pages = [line for line in lines if line.startswith("Set it up: ")]
    assert pages == ["Set it up: docs/cron.md", "Set it up: docs/slack.md"]


def test_this_folder_needs_no_cd(run: Run, tmp_path: Path) -> None:
    ran = run(".", *QUICK)
    assert ran.code == 0
    assert "  cd " not in ran.err
    assert (tmp_path / "pyproject.toml").is_file()


def test_json_is_the_only_thing_on_stdout(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("my-agent", "--json", *QUICK).out)
    assert made["path"] == str(tmp_path / "my-agent")
    assert made["answers"]["llm"] == ["openai"]
    assert "pyproject.toml" in made["files"]
    assert "cd my-agent" in made["next"]
    assert made["notes"] == []


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_a_dry_run_lists_what_a_real_one_writes(
    run: Run, tmp_path: Path, json_too: tuple[str, ...]
) -> None:
    planned = run("deep/my-agent", "--dry-run", *json_too, "--yes")
    assert planned.code == 0
    assert list(tmp_path.iterdir()) == []
    files = json.loads(planned.out)["files"] if json_too else planned.out.splitlines()
    assert files == json.loads(run("deep/my-agent", "--json", *QUICK).out)["files"]


def test_the_recreate_command_makes_the_same_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    first = run("../my-agent", "--description", 'Bob\'s "$HOME" agent', "--llm", "none", *QUICK)
    command = next(line for line in first.err.splitlines() if "--description" in line)
    arguments = shlex.split(command)
    arguments = arguments[arguments.index("create-12-factor-agent") + 1 :]
    (tmp_path / "my-agent").rename(tmp_path / "first")
    assert run(*arguments, "--no-git", "--no-install").code == 0
    same = subprocess.run(
        ["diff", "-r", "../first", "../my-agent"], capture_output=True, check=False
    )
    assert same.returncode == 0, same.stdout


def test_answers_come_from_a_file_and_flags_go_before(run: Run) -> None:
    Path("answers.yml").write_text("llm: []\nextra: [ci]\ndescription: From the file\n")
    ran = run("my-agent", "--answers", "answers.yml", "--extra", "docker", "--json", *QUICK)
    answers = json.loads(ran.out)["answers"]
    assert answers["llm"] == []
    assert answers["extra"] == ["docker"]
    assert answers["description"] == "From the file"


def test_the_answers_of_a_repository_make_another(run: Run) -> None:
    run("one", "--llm", "none", *QUICK)
    ran = run("two", "--answers", "one/.copier-answers.yml", "--project-name", "two", *QUICK)
    assert ran.code == 0
    assert "two" in Path("two/.copier-answers.yml").read_text()


@pytest.mark.slow
def test_answers_come_from_standard_input(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*PROGRAM, "my-agent", "--answers", "-", "--json", *QUICK],
        cwd=tmp_path, input='{"llm": []}', capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(ran.stdout)["answers"]["llm"] == []


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        ((), {}),
        (("--llm", "anthropic"), {"llm": ["anthropic"]}),
        (("--extra", "ci"), {"extra": ["ci"]}),
        (("--web", "http", "--trigger", "cron"), {"web": "http", "trigger": ["cron"]}),
        (("--answers", "answers.yml"), {"llm": [], "extra": ["otel"]}),
        (("--answers", "answers.yml", "--extra", "none"), {"llm": []}),
    ],
)
def test_minimal_leaves_out_what_can_go_unless_another_answer_wants_it(
    run: Run, flags: tuple[str, ...], changed: dict[str, object]
) -> None:
    Path("answers.yml").write_text("llm: []\nextra: [otel]\n")
    ran = run("my-agent", "--minimal", *flags, "--json", *QUICK)
    answers = json.loads(ran.out)["answers"]
    minimal = {
        "llm": ["openai"], "store": "sqlite", "runner": "local", "web": "none", "trigger": [],
        "extra": [],
    }  # fmt: skip
    assert {name: answers[name] for name in minimal} == minimal | changed


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        ((), "PATH is missing", "create-12-factor-agent my-agent --yes"),
        (("x", "--llm", "nope"), "llm: there is no 'nope'.", "openai, anthropic, gemini, none"),
        (("x", "--llm", "openai,none"), "llm: 'none' excludes", "openai, anthropic, gemini, none"),
        (("x", "--store", "nope"), "store: there is no 'nope'.", "sqlite"),
        (
            ("x", "--runner", "procrastinate", "-y"),
            "'procrastinate' needs the store 'postgres'.",
            "--runner",
        ),
        (("x", "--web", "nope"), "web: there is no 'nope'.", "inbox, http, none"),
        (("x", "--web", "http,inbox"), "web: there is no 'http,inbox'.", "inbox, http, none"),
        (("x", "--web", "none", "--trigger", "cron"), "'cron' needs 'http' (--web", "--trigger"),
        (("x", "--minimal", "--trigger", "email"), "'email' needs 'http' (--web", "--trigger"),
        (("x", "--web", "none", "--trigger", "slack"), "'slack' needs 'http'", "--trigger"),
        (("x", "--web", "none", "--trigger", "webhook"), "'webhook' needs 'http'", "--trigger"),
        (("x", "--nope"), "No such option: --nope", "--help"),
        (("x", "y"), "unexpected extra argument", "--help"),
        (("x", "--description", ""), "description: Write one line.", "--description"),
        (("x", "--description", "a\nb"), "description: Write one line.", "--description"),
        (("x", "--project-name", "my agent"), 'project_name: "my agent"', "--project-name"),
        (("x", "--project-name", "-"), 'project_name: "-"', "--project-name"),
        (("x", "--project-name", "x\n"), "project_name:", "--project-name"),
        (("x", "--project-name", "ünï"), "project_name:", "--project-name"),
        (("openai",), 'project_name: "openai" is a package', "--project-name"),
        (("Typing_Extensions",), "is a package", "--project-name"),
        (("x", "--answers", "missing.yml"), "missing.yml", "another file"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong_and_what_to_do(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], problem: str, hint: str
) -> None:
    ran = run(*arguments, "--yes")
    assert ran.code == 2
    first, second = ran.err.splitlines()
    assert first.startswith("Error: ")
    assert problem in first
    assert hint in second
    assert ran.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("llm: [", "neither JSON nor YAML"),
        ("just words", "holds no answers"),
        ("colour: blue", "There is no question 'colour'"),
        ("llm: 7", "llm: 7 is not a list"),
        ("llm: [7]", "is not a list"),
        ("store: [sqlite]", "store: ['sqlite'] is not a text"),
        ("description: null", "description: None is not a text"),
        ("_src_path: gh:somebody/else\nllm: []", "for another template"),
        ("7: seven", "There is no question 7"),
        ("trigger: [fax]", "trigger: there is no 'fax'"),
    ],
)
def test_wrong_answers_are_refused(run: Run, text: str, problem: str) -> None:
    Path("answers.yml").write_text(text)
    ran = run("my-agent", "--answers", "answers.yml", "--yes")
    assert ran.code == 2
    assert problem in ran.err
    assert not Path("my-agent").exists()


def test_the_command_in_the_hint_works(run: Run) -> None:
    import shlex

    *_, command = run().err.strip().partition("This works: ")
    arguments = shlex.split(command)[shlex.split(command).index("create-12-factor-agent") + 1 :]
    assert run(*arguments, "--no-git", "--no-install").code == 0


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("test", "test"),
        ("json", "json"),
        ("class", "class"),
        ("agent", "agent"),
        ("a" * 60, "a" * 60),
        ("my agent", "my-agent"),
        ("Größe", "my-agent"),
        ("日本", "my-agent"),
        ("../outside", "outside"),
        ("-", "my-agent"),
    ],
)
def test_every_folder_that_can_be_made_gets_a_project_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ran = run(folder, "--json", *QUICK)
    assert ran.code == 0
    assert json.loads(ran.out)["answers"]["project_name"] == name
    assert (tmp_path / "here" / folder / "pyproject.toml").is_file()


def test_help_names_every_question_and_its_choices(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for flag in (
        "--llm openai|anthropic|gemini|none",
        "--store sqlite|postgres",
        "--web inbox|http|none",
        "--minimal",
        "--trigger cron|email|slack|webhook|none",
        "--sample deploy|assistant",
        "--extra docker|kubernetes|ci|otel|mcp|engine-tests|none",
        "--dry-run",
    ):
        assert flag in ran.out
    assert run("-h").out == ran.out


def test_version_is_one_line(run: Run) -> None:
    ran = run("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("create-12-factor-agent ")
    assert run("-V").out == ran.out


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    code = (
        "import sys, atexit\nsys.argv[1:] = [sys.argv[1]]\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from create_12_factor_agent.program import main\nmain()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, flag], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"copier", "questionary", "prompt_toolkit", "rich", "jinja2", "pydantic"}


def test_the_shell_completes_choices(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "create-12-factor-agent --extra ", "COMP_CWORD": "2"}
    ran = program(cwd=tmp_path, _CREATE_12_FACTOR_AGENT_COMPLETE="complete_bash", **words)
    choices = ["docker", "kubernetes", "ci", "otel", "mcp", "engine-tests", "none"]
    assert ran.stdout.split() == choices


# -- in a terminal ---------------------------------------------------------------------------


class Screen:
    """A pseudo-terminal with the program in it."""

    def __init__(self, cwd: Path, *arguments: str, **variables: str) -> None:
        self.text = ""
        child, self._fd = pty.fork()
        if child == 0:
            os.chdir(cwd)
            os.execve(PROGRAM[0], [*PROGRAM, *arguments], os.environ | variables)  # noqa: S606
        self.pid = child

    def until(self, words: str, timeout_s: float = 30) -> str:
        """Read until the screen has shown `words`."""
        end = time.monotonic() + timeout_s
        while words not in self.text and time.monotonic() < end:
            if not self._read():
                break
        assert words in self.text, self.text
        return self.text

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def ended(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], 30)
        try:
            more = os.read(self._fd, 65536) if ready else b""
        except OSError:  # Linux says so when the other end is gone
            more = b""
        if b"\x1b[6n" in more:  # "where is the cursor?"
            self.type("\x1b[1;1R")
        self.text += more.decode(errors="replace")
        return bool(more)


@pytest.mark.slow
def test_a_person_is_asked_what_no_flag_answered(tmp_path: Path) -> None:
    screen = Screen(tmp_path, "--extra", "none", "--no-install", "--no-git", TERM="xterm")
    screen.until("Folder to make")
    screen.type("\r")
    screen.until("Name of the project")
    screen.type("\r")
    screen.until("in one line")
    screen.type(" Really.\r")
    screen.until("Models it can call")
    screen.type(" \r")  # not the one that is chosen by default
    asked = ("threads are kept", "runs the threads", "it serves", "may start", "starts with")
    for question in asked:
        screen.until(question)
        screen.type("\r")
    screen.until("Try it")
    assert screen.ended() == 0
    assert "What else" not in screen.text
    answers = (tmp_path / "my-agent/.copier-answers.yml").read_text()
    assert "llm: []" in answers
    assert "factors. Really." in answers


@pytest.mark.slow
def test_what_does_not_go_together_is_not_offered(tmp_path: Path) -> None:
    given = ("--project-name", "x", "--description", "d", "--llm", "none", "--store", "sqlite")
    screen = Screen(
        tmp_path, "x", *given, "--web", "http", "--trigger", "none", "--sample", "deploy",
        "--extra", "none", "--no-install", "--no-git", TERM="xterm",
    )  # fmt: skip
    screen.until("needs the store 'postgres'")
    screen.type("\x1b[B\r")  # down, to what cannot be chosen
    screen.until("Try it")
    assert screen.ended() == 0
    assert "runner: local" in (tmp_path / "x/.copier-answers.yml").read_text()


@pytest.mark.slow
def test_without_the_web_no_trigger_is_asked_for(tmp_path: Path) -> None:
    screen = Screen(
        tmp_path, "x", "--project-name", "x", "--description", "d", "--llm", "none", "--store",
        "sqlite", "--runner", "local", "--sample", "deploy", "--extra", "none", "--no-install",
        "--no-git", TERM="xterm",
    )  # fmt: skip
    screen.until("it serves")
    screen.type("\x1b[A\r")  # up from the first: the last
    screen.until("Try it")
    assert screen.ended() == 0
    assert "a run may start" not in screen.text
    answers = (tmp_path / "x/.copier-answers.yml").read_text()
    assert "web: none\n" in answers
    assert "trigger: []\n" in answers


@pytest.mark.slow
def test_minimal_asks_only_what_it_does_not_decide(tmp_path: Path) -> None:
    screen = Screen(tmp_path, "x", "--minimal", "--no-install", "--no-git", TERM="xterm")
    for question in ("Name of the project", "in one line", "it starts with"):
        screen.until(question)
        screen.type("\r")
    screen.until("Try it")
    assert screen.ended() == 0
    assert "Models it can call" not in screen.text
    assert "web: none\n" in (tmp_path / "x/.copier-answers.yml").read_text()


def test_a_folder_that_is_taken_is_refused_while_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "my-agent").mkdir()
    (tmp_path / "my-agent/mine").touch()
    screen = Screen(tmp_path, TERM="xterm")
    screen.until("Folder to make")
    screen.type("\r")
    screen.until("Already there")
    screen.type("\x03")
    assert screen.ended() == 130


def test_ctrl_c_at_a_question_leaves_nothing(tmp_path: Path) -> None:
    screen = Screen(tmp_path, "my-agent", TERM="xterm")
    screen.until("Name of the project")
    screen.type("\x03")
    assert screen.ended() == 130
    assert "Nothing was written." in screen.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"CI": "true"}, {"AI_AGENT": "1"}, {"CLAUDECODE": "1"}, {"TERM": "dumb"}],
)
def test_nobody_is_asked_where_nobody_would_answer(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    screen = Screen(tmp_path, "my-agent", "--no-install", "--no-git", **variables)
    assert screen.ended() == 0
    assert "Taken by default" in screen.text
    assert Screen(tmp_path, **variables).ended() == 2


@pytest.mark.slow
def test_json_is_never_mixed_with_questions(tmp_path: Path) -> None:
    screen = Screen(tmp_path, "my-agent", "--json", "--no-install", "--no-git", TERM="xterm")
    assert screen.ended() == 0
    assert '"dry_run": false' in screen.text


def test_a_variable_that_says_no_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.somebody_is_there()
    monkeypatch.setenv("CI", "false")
    assert terminal.somebody_is_there()
    monkeypatch.setenv("CI", "1")
    assert not terminal.somebody_is_there()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "colours"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_only_where_they_are_welcome(
    tmp_path: Path, variables: dict[str, str], *, colours: bool
) -> None:
    screen = Screen(tmp_path, "my-agent", *QUICK, **variables)
    assert screen.ended() == 0
    assert ("\x1b" in screen.text) is colours


@pytest.mark.slow
def test_a_narrow_terminal_gets_every_command_in_one_piece(tmp_path: Path) -> None:
    ran = program("my-agent", *QUICK, cwd=tmp_path, COLUMNS="30")
    assert '  uv run agent run "Deploy the latest tag to staging"\n' in ran.stderr


# -- git and uv ------------------------------------------------------------------------------


def test_the_first_commit_has_everything(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("my-agent", "--yes", "--no-install", "--json").out)
    listed = _git(tmp_path / "my-agent", "ls-files").splitlines()
    assert sorted(listed) == made["files"]
    assert _git(tmp_path / "my-agent", "branch", "--show-current") == "main\n"
    assert _git(tmp_path / "my-agent", "status", "--porcelain") == ""


def test_git_without_a_user_still_commits_and_says_as_whom(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.gitconfig"
    empty.write_text("[user]\n\tuseConfigOnly = true\n[commit]\n\tgpgSign = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(empty))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    ran = run("my-agent", "--yes", "--no-install")
    assert ran.code == 0
    assert "Note: git knows no user.name" in ran.err
    assert "create-12-factor-agent@localhost" in _git(tmp_path / "my-agent", "log")


def test_hooks_of_the_machine_do_not_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "prepare-commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {hooks}\n[user]\n\tname = N\n\temail = e@localhost\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert "Note" not in run("my-agent", "--yes", "--no-install").err
    assert not (tmp_path / "hook-ran").exists()


def test_inside_a_repository_nothing_is_nested_and_nothing_committed(
    run: Run, tmp_path: Path
) -> None:
    _git(tmp_path, "init", "--quiet")
    ran = run("my-agent", "--yes", "--no-install")
    assert ran.code == 0
    assert "Note: Inside the git repository" in ran.err
    assert not (tmp_path / "my-agent/.git").exists()


def test_an_empty_clone_is_filled(run: Run, tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    ran = run(".", "--yes", "--no-install")
    assert ran.code == 0
    assert (tmp_path / "pyproject.toml").is_file()


@pytest.mark.parametrize("tool", ["git", "uv"])
def test_a_missing_tool_is_a_note_and_the_repository_complete(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else f"/x/{name}")
    monkeypatch.delenv("UV", raising=False)
    skip = "--no-install" if tool == "git" else "--no-git"
    ran = run("my-agent", "--yes", skip)
    assert ran.code == 0
    assert f"Note: {tool} is not installed" in ran.err
    assert (tmp_path / "my-agent/pyproject.toml").is_file()


def test_a_failing_tool_is_a_note_with_its_words(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin/uv"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho no network >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    ran = run("my-agent", "--yes", "--json")
    assert ran.code == 0
    assert "no network" in json.loads(ran.out)["notes"][0]
    assert _git(tmp_path / "my-agent", "log", "--oneline")


def test_the_lock_file_is_in_the_first_commit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin/uv"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho locked > uv.lock\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    assert run("my-agent", "--yes").code == 0
    assert "uv.lock" in _git(tmp_path / "my-agent", "ls-files").splitlines()


def _git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return ran.stdout
