"""The template at one commit of its repository."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import git, origin, temporary


@dataclass(frozen=True)
class State:
    """A commit that has a template."""

    repository: Path
    commit: str
    is_strict: bool = True
    """It checks answers; the old state does not, so that bad ones can be mended."""

    def read(self, name: str) -> str:
        """Return a file, empty where there is none of that name."""
        done = git.run(self.repository, "show", f"{self.commit}:{name}")
        return done.stdout.decode() if done.returncode == 0 else ""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give the template as a plain folder."""
        with temporary.folder() as folder:
            git.extract(self.repository, self.commit, folder, *origin.FILES)
            if not self.is_strict:
                questions = folder / "copier.yml"
                questions.write_text(_without_validators(questions.read_text("utf-8")), "utf-8")
            yield folder

    def renders_like(self, other: "State") -> bool:
        """Return whether repositories are the same, made from this state or from another."""
        return self._rendered() == other._rendered()

    def _rendered(self) -> tuple[str, str]:
        template = git.call(self.repository, "rev-parse", f"{self.commit}:template")
        return template, _without_validators(self.read("copier.yml"))


def _without_validators(text: str) -> str:
    """Take out each key `validator` with the lines that are indented below it."""
    return re.sub(r"^( +)validator:.*\n(?:\1 .*\n|\n)*", "", text, flags=re.MULTILINE)
