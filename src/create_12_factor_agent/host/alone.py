"""What the files say that a repository of the agent alone has, and the project has not.

The lines to paste are read off these: there is no second list of anything.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from create_12_factor_agent.store import File

from .facts import PYPROJECT

ENV, IGNORED, MAKEFILE = ".env.example", ".gitignore", "Makefile"


@dataclass(frozen=True)
class Alone:
    """A repository of the agent alone."""

    files: Mapping[str, File]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return its pyproject.toml."""
        return tomllib.loads(self._text(PYPROJECT))

    @property
    def requires(self) -> list[str]:
        """Return what it requires."""
        return [*self.facts["project"]["dependencies"]]

    @property
    def for_tests(self) -> list[str]:
        """Return what its tests need, without the tools that have settings there."""
        text = self._text(PYPROJECT)
        listed = re.search(r"^dev = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
        parts = re.split(r"^ *# -- (.*?) --\n", listed[1] if listed else "", flags=re.MULTILINE)
        pairs = zip(parts[1::2], parts[2::2], strict=True)
        kept = "".join(text for name, text in pairs if name != "checks")
        return [*tomllib.loads(f"kept = [\n{kept}]")["kept"]]

    @property
    def folders(self) -> list[str]:
        """Return the folders that hold its code and nothing else."""
        tests = {name.rpartition("/")[0] for name in self.files if name.startswith("tests/")}
        below = {"/".join(folder.split("/")[:2]) for folder in tests} - {"tests"}
        return sorted({"evals", "src/agent", *below})

    @property
    def ignored(self) -> list[str]:
        """Return what the agent leaves in its folder, and git should not keep."""
        part = self._text(IGNORED).partition("# -- secrets and state --\n")[2]
        lines = part.partition("\n# -- ")[0].split("\n")
        return [line for line in lines if line and not line.startswith("#")]

    @property
    def settings(self) -> list[str]:
        """Return the variables that the agent reads, each with what is said of it."""
        lines = [line for line in self._text(ENV).split("\n") if not line.startswith("# -- ")]
        blocks = "\n".join(lines).split("\n\n")
        return [block.strip("\n") for block in blocks if variables(block)]

    @property
    def rules(self) -> list[tuple[str, str, list[str]]]:
        """Return the rules that run the agent or its tests: a name, the rest of the head, commands.

        Each stands between blank lines in the Makefile.
        """
        rules = []
        for rule in re.split(r"\n\n+", self._text(MAKEFILE)):
            head, *commands = rule.strip().split("\n")
            name, _, rest = head.partition(":")
            if commands and all(re.match(r"\tuv run (agent|pytest)\b", one) for one in commands):
                rules.append((name, rest, commands))
        return rules

    def _text(self, name: str) -> str:
        return self.files[name].held.decode() if name in self.files else ""


def variables(text: str) -> list[str]:
    """Return the variables in a `.env` file, those in comments too."""
    return re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
