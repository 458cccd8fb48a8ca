"""Runs the services of a `compose.yaml` with podman, each with a network of its own.

There is no daemon and no bridge, so that it runs wherever root can mount something. PostgreSQL is
that of this machine, reached by its socket.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .images import ALONE, Images

PATIENCE_S = 60
PERSON = Path(__file__).with_name("person.py")

Service = Mapping[str, Any]

_ELSEWHERE = {"build", "env_file", "environment", "ports", "restart", "depends_on", "deploy"}
"""What is said about a service and is not about its container, or is in another place here."""


def write_flags(service: Service) -> list[str]:
    """Return a service of a compose file as flags of `podman run`."""
    flags = []
    for key, value in service.items():
        match key:
            case "init" | "read_only":
                flags.append(f"--{key.replace('_', '-')}={str(value).lower()}")
            case "tmpfs":
                flags += [f"--tmpfs={path}" for path in value]
            case "cap_drop" | "security_opt":
                # podman writes a switch of its own without the value.
                plain = [one.removesuffix(":true") for one in value]
                flags += [f"--{key.replace('_', '-')}={one}" for one in plain]
            case "stop_grace_period":
                flags.append(f"--stop-timeout={value.removesuffix('s')}")
            case "volumes":
                flags += [f"--volume={volume}" for volume in value]
            case "healthcheck" if "test" in value:
                flags.append(f"--health-cmd={json.dumps(_write_test(*value['test']))}")
            case "healthcheck" | "command":
                pass
            case _:
                assert key in _ELSEWHERE, f"nobody here knows what {key!r} means"
    return flags


def _write_test(kind: str, *words: str) -> list[str]:
    return ["CMD-SHELL", *words] if kind == "CMD-SHELL" else ["CMD", *words]


@dataclass(frozen=True)
class Container:
    images: Images
    name: str

    def podman(self, command: str, *arguments: str, check: bool = True) -> str:
        return self.images.run("podman", command, *arguments, check=check)

    def inspect(self) -> Any:
        (found,) = json.loads(self.podman("container", "inspect", self.name))
        return found

    def run(self, *command: str) -> str:
        """Run a command in the container, as the user of its process."""
        return self.podman("exec", self.name, *command)

    def log(self) -> str:
        return self.podman("logs", self.name)

    def is_healthy(self) -> bool:
        said = self.podman("healthcheck", "run", self.name, check=False)
        return said == ""

    def until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_healthy():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)

    def person(self, *words: str) -> str:
        """Let a person do something in a browser without scripts, in the container's network."""
        network = f"--net=/proc/{self.inspect()['State']['Pid']}/ns/net"
        ran = subprocess.run(
            ["nsenter", network, sys.executable, "-I", PERSON, *words],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, f"{ran.stderr[-3000:]}\n{self.log()[-3000:]}"
        return ran.stdout.strip()

    def hang(self) -> None:
        """Stop its process from doing anything, as one that blocks its event loop."""
        init = self.inspect()["State"]["Pid"]
        (process,) = Path(f"/proc/{init}/task/{init}/children").read_text("utf-8").split()
        os.kill(int(process), signal.SIGSTOP)

    def stop(self) -> tuple[int, float]:
        """Stop it as compose does; return its exit code and the seconds that it took."""
        began = time.monotonic()
        self.podman("stop", self.name)
        took = time.monotonic() - began
        return self.inspect()["State"]["ExitCode"], took


@dataclass
class Fleet:
    """Containers of one image, and what they all are given."""

    images: Images
    image: str
    services: Mapping[str, Service]
    variables: Mapping[str, str]
    mounts: tuple[str, ...] = ()
    number: int = 0

    @contextmanager
    def start(self, service: str, **variables: str) -> Iterator[Container]:
        """Start a service as compose.yaml says, and remove it in the end."""
        self.number += 1
        given = self.services[service]
        container = Container(self.images, f"{self.image}-{service}-{self.number}")
        settings = {**self.variables, **variables}.items()
        try:
            container.podman(
                "run", "--detach", "--name", container.name, *ALONE, *write_flags(given),
                *(f"--volume={mount}" for mount in self.mounts),
                *(f"--env={name}={value}" for name, value in settings),
                self.image, *given.get("command", ()),
            )  # fmt: skip
            yield container
        finally:
            container.podman("rm", "--force", "--time", "0", container.name)


@contextmanager
def postgres(folder: Path) -> Iterator[Path]:
    """Start this machine's PostgreSQL for a user `agent`; give the folder of its socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    sockets, tables = folder / "sockets", folder / "tables"
    for path in (sockets, tables):
        path.mkdir(parents=True)
        subprocess.run(["chown", "postgres", path], check=True)
    sockets.chmod(0o755)

    def run(program: str, *arguments: str | Path) -> None:
        command = ["runuser", "-u", "postgres", "--", programs / program, *arguments]
        subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, check=True)

    run("initdb", "--pgdata", tables, "--username", "agent", "--auth", "trust", "--no-sync")
    options = f"-k {sockets} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "start", "-w", "-D", tables, "-l", tables / "log", "-o", options)
    try:
        run("createdb", "--host", sockets, "--username", "agent", "agent")
        yield sockets
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", tables)
