"""Measure what the command line costs, in CPU milliseconds of the whole process tree.

From the repository, after everything has run once: `uv run python tests/benchmarks/measure.py`.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from create_12_factor_agent import origin

PROGRAM = ("-m", "create_12_factor_agent")
COPIER = "import sys, copier; copier.run_copy(*sys.argv[1:], defaults=True, quiet=True)"


def main() -> None:
    with TemporaryDirectory() as folder, origin.template(origin.here()) as template:
        place = Path(folder, "my-agent")
        python = cost(place, "-c", "pass")
        version = cost(place, *PROGRAM, "--version")
        help_ = cost(place, *PROGRAM, "--help")
        copier = cost(place, "-c", COPIER, str(template), str(place))
        new = (*PROGRAM, str(place), "--yes", "--no-install")
        bare, full = cost(place, *new, "--no-git"), cost(place, *new)
    print("| what | CPU | compared with | |\n|---|---|---|---|")
    row("python -c pass", python)
    row("--version", version, "bare Python", f"+{version - python:.0f} ms")
    row("--help", help_, "bare Python", f"+{help_ - python:.0f} ms")
    row("Copier's run_copy of the template", copier)
    row("PATH --yes --no-install --no-git", bare, "Copier's run_copy", f"{bare / copier:.2f} x")
    row("PATH --yes --no-install", full, "Copier's run_copy", f"{full / copier:.2f} x")


def cost(place: Path, *arguments: str, rounds: int = 15) -> float:
    """Return the median over `rounds`, after one that writes byte code and is not counted."""
    return median([_once(place, arguments) for _ in range(rounds + 1)][1:])


def row(what: str, cpu: float, against: str = "", ratio: str = "") -> None:
    print(f"| `{what}` | {cpu:.0f} ms | {against} | {ratio} |")


def _once(place: Path, arguments: tuple[str, ...]) -> float:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(["rm", "-rf", place], check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


main()
