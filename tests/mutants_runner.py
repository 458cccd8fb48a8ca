"""Runs in the environment of an agent: finds out which tests run which line, and tries mutants.

`trace FILE MODULE…` writes what it finds to a file; `try FILE` reads mutants as JSON, and prints
for each, in any order, its number and whether a test went red. Each has a process of its own,
forked from one that has collected all tests: a mutant within a function becomes the code of that
function; for another one the agent is imported anew, with the mutant.
"""

import ast
import faulthandler
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TextIO

import pytest

ENGINE = Path("src/agent/engine").resolve()
TESTS = tuple(f"tests/engine/{folder}" for folder in ("log", "loop", "context", "simulation"))
"""Those that have to see a mutant. What is built on these modules is tested for other things."""
OPTIONS = ("-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:faulthandler")
OURS = ("agent", "tests")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
AT_ONCE = 2
BROKEN = 2
PATIENCE_S = 20.0
"""A test that takes so much longer than without the mutant never ends."""
OTHERS_S = 30.0
"""How long the tests of other folders may take together; the quickest are chosen."""

Job = dict[str, Any]
"""A mutant: its `file`, its `line`, and the whole `text`."""
Seconds = dict[str, float]
"""How long each test takes."""


class Tracer:
    """Measures which lines of the engine each test runs, and how long it takes."""

    def __init__(self) -> None:
        from coverage import Coverage  # type: ignore[import-not-found]  # it is the agent's

        self.coverage = Coverage(data_file=None, config_file=False, include=[f"{ENGINE}/*"])
        self.seconds: Seconds = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        began = time.monotonic()
        yield
        self.seconds[item.nodeid] = time.monotonic() - began
        self.coverage.switch_context("")

    def trace(self, files: Sequence[str]) -> dict[str, Any]:
        self.coverage.start()
        outcome = pytest.main([*OPTIONS, *TESTS], plugins=[self])
        self.coverage.stop()
        assert outcome == pytest.ExitCode.OK, "a test fails without any mutant"
        found = self.coverage.get_data()
        lines = {file: found.contexts_by_lineno(str(ENGINE / file)) for file in files}
        return {"seconds": self.seconds, "lines": lines}


class Mutated(SourceFileLoader):
    """Finds one module of the engine, and loads it from another text."""

    def __init__(self, job: Job) -> None:
        name = ".".join(("agent", "engine", *Path(job["file"]).with_suffix("").parts))
        super().__init__(name, str(ENGINE / job["file"]))
        self.file, self.line, self.text = job["file"], job["line"], job["text"]

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return spec_from_file_location(self.name, self.path, loader=self)

    def get_code(self, _: str) -> CodeType:
        return compile(self.text, self.path, "exec")

    def find_function(self) -> range:
        """Return the lines of the outermost function it is in; none where it is in none."""
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, FUNCTIONS):
                lines = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
                if self.line in lines:
                    return lines
        return range(0)

    def take_place(self) -> None:
        """Give each function of the module that is imported the code of the other text."""
        codes = dict(_list_codes(self.get_code(self.name)))
        for function in _list_functions(sys.modules[self.name]):
            if function.__qualname__ in codes:
                function.__code__ = codes[function.__qualname__]


def _list_codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            yield from _list_codes(inner)


def _list_functions(module: ModuleType) -> Iterator[FunctionType]:
    """Yield those of its classes too, and those behind a property or a class method."""
    own = [each for each in vars(module).values() if _is_of(module, each)]
    inner = [each for kind in own if isinstance(kind, type) for each in vars(kind).values()]
    for each in own + inner:
        hidden = [getattr(each, name, None) for name in ("fget", "func", "__func__")]
        yield from (one for one in [each, *hidden] if isinstance(one, FunctionType))


def _is_of(module: ModuleType, value: object) -> bool:
    return getattr(value, "__module__", "") == module.__name__


class Tests:
    """Collects all tests, and then tries mutants instead of running them."""

    def __init__(self, jobs: list[Job], traced: dict[str, Any], results: TextIO) -> None:
        self.jobs, self.traced, self.results = jobs, traced, results

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        running = dict[int, tuple[int, int]]()
        waiting = deque((number, 0) for number in range(len(self.jobs)))
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                number, group = waiting.popleft()
                running[self.start(self.jobs[number], group)] = number, group
            process, status = os.wait()
            number, group = running.pop(process)
            outcome = os.waitstatus_to_exitcode(status)
            assert outcome != BROKEN, f"this program failed with mutant {number}"
            if outcome or group == 1:
                result = {"number": number, "red": outcome != 0}
                print(json.dumps(result), file=self.results, flush=True)
            else:
                waiting.append((number, 1))
        return True

    def start(self, job: Job, group: int) -> int:
        """Run tests with a mutant in a process of their own, which fails if one of them does."""
        if process := os.fork():
            return process
        outcome = BROKEN
        try:
            mutated = Mutated(job)
            outcome = int(self.is_red(mutated, find_tests(mutated, self.traced)[group]))
        finally:
            os._exit(outcome)

    def is_red(self, mutated: Mutated, tests: Seconds) -> bool:
        if not tests:
            return False
        if not mutated.find_function():
            return import_anew(mutated, tests)
        mutated.take_place()
        for test, seconds in tests.items():
            item = self.items[test]
            faulthandler.dump_traceback_later(PATIENCE_S + 10 * seconds, exit=True)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            if item.session.testsfailed:
                return True
        return False


class Chosen:
    """Runs the tests that are named, in their order."""

    def __init__(self, seconds: Seconds) -> None:
        self.places = {test: place for place, test in enumerate(seconds)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self.places]
        items[:] = sorted(chosen, key=lambda item: self.places[item.nodeid])


def import_anew(mutated: Mutated, tests: Seconds) -> bool:
    """Forget the agent and its tests, run some with a mutant, and say whether one goes red."""
    for module in [*sys.modules]:
        if module.partition(".")[0] in OURS:
            del sys.modules[module]
    sys.meta_path.insert(0, mutated)
    faulthandler.dump_traceback_later(3 * PATIENCE_S + 10 * sum(tests.values()), exit=True)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    outcome = pytest.main([*OPTIONS, "-x", *files], plugins=[Chosen(tests)])
    return outcome not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def find_tests(mutated: Mutated, traced: dict[str, Any]) -> list[Seconds]:
    """Return the tests that run a mutant's function: those of its folder, and others.

    Those of its line come first, and quick ones before slow ones. They are not all: Python 3.11
    does not trace a coroutine further into which an error was thrown. What runs only when it is
    imported has all tests.
    """
    lines = traced["lines"][mutated.file]
    of_line, function = lines.get(str(mutated.line), []), mutated.find_function()
    found = {test for line in function for test in lines.get(str(line), ())}
    tests = found or traced["seconds"].keys()
    seconds = {test: traced["seconds"][test] for test in tests if test}
    near, far, far_s = Seconds(), Seconds(), 0.0
    for test in sorted(seconds, key=lambda each: (each not in of_line, seconds[each], each)):
        if test.startswith(f"tests/engine/{Path(mutated.file).parent}/"):
            near[test] = seconds[test]
        elif (far_s := far_s + seconds[test]) < OTHERS_S:
            far[test] = seconds[test]
    return [near, far]


def try_mutants(jobs: list[Job], traced: dict[str, Any]) -> None:
    """Print the results, and nothing of what pytest and the tests print."""
    results = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        pytest.main([*OPTIONS, *TESTS], plugins=[Tests(jobs, traced, results)])


if __name__ == "__main__":
    command, file, *modules = sys.argv[1:]
    if command == "trace":
        Path(file).write_text(json.dumps(Tracer().trace(modules)))
    else:
        try_mutants(json.load(sys.stdin), json.loads(Path(file).read_text()))
