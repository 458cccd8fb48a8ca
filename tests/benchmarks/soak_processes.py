"""The processes of soak.py: they are started, killed at random with SIGKILL, and started again."""

import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

AGENT = Path(sys.executable).with_name("agent")


@dataclass
class Fleet:
    commands: Mapping[str, tuple[str, ...]]
    """The arguments of `agent`, by the name of the process."""
    environment: Mapping[str, str]
    folder: Path
    """Where each process logs."""
    kills: int = 0
    ended: list[str] = field(default_factory=list)
    """Processes that ended without being killed, and the end of their logs."""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    peaks_mb: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        for name in self.commands:
            self._start(name)

    def kill_until(self, stopping: threading.Event, every_s: float) -> None:
        """Kill one process after the other, on average every so many seconds."""
        while not stopping.wait(random.expovariate(1 / every_s)):
            name = random.choice([*self.running])  # noqa: S311
            if self.running[name].poll() is not None:
                self.ended.append(f"{name}: {self._log(name).read_text('utf-8')[-2_000:]}")
            self.running[name].send_signal(signal.SIGKILL)
            self.running[name].wait()
            self.kills += 1
            self._start(name)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def read_memory_mb(self) -> dict[str, float]:
        """Return the resident memory of each process now; `peaks_mb` has the most so far."""
        now = {name: _read_mb(process.pid, "VmRSS") for name, process in self.running.items()}
        for name, process in self.running.items():
            most = _read_mb(process.pid, "VmHWM")
            self.peaks_mb[name] = max(self.peaks_mb.get(name, 0.0), most)
        return now

    def _start(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                [AGENT, *self.commands[name]], env=dict(self.environment), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _read_mb(pid: int, line: str) -> float:
    try:
        found = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
