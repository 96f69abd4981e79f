"""A thousand fast syncs of `python -m rancher_ecr run`: what its memory, threads and descriptors are afterwards.

The process is asked for each sync by SIGHUP, and its page for health after each. AWS and Rancher are doubles in this
process, over real sockets, and some of their answers fail. It reads /proc, so it needs Linux.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from attrs import field, frozen

from rancher_ecr.testing.aws import AWS, error
from rancher_ecr.testing.cattle import CattleSimulator, faults

_WARM = 10
"""Syncs until the first look."""
_MEMORY = 1.10
"""How much larger its memory may be in the end; the allocator breathes."""
_SPARE = 8
"""How many more threads and descriptors there may be at the second look: calls in passing, pooled connections."""
_REGISTRIES = 10
_FAULT_EVERY = 25


@frozen
class Figures:
    """What a process holds: resident memory in MiB, threads, open descriptors."""

    memory: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, process: int) -> "Figures":
        """Read them from /proc."""
        status = Path(f"/proc/{process}/status").read_text()
        numbers = {
            name: int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads")
        }
        return cls(numbers["VmRSS"] / 1024, numbers["Threads"], len(os.listdir(f"/proc/{process}/fd")))  # noqa: PTH208


@frozen
class Service:
    """A running `python -m rancher_ecr run`, with its log."""

    process: "subprocess.Popen[str]"
    port: int
    log: Iterator[str] = field(init=False)

    @log.default
    def _open_log(self) -> Iterator[str]:
        return iter(self.process.stderr or ())

    def wait_for_sync(self) -> str:
        """Return the summary of the sync that ends next."""
        return next(line for line in self.log if ": synced in " in line)

    def sync(self) -> str:
        """Have it sync now."""
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for_sync()

    def ask(self, path: str) -> None:
        """Ask its page; 503 is an answer too."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                answer.read()
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except (OSError, HTTPException) as problem:
            sys.exit(f"{path} does not answer: {problem}")


@contextmanager
def running(aws: AWS, rancher: CattleSimulator) -> Iterator[Service]:
    """Run the service against both."""
    project = rancher.add_project("Default")
    for number in range(_REGISTRIES):
        host = f"{number:012}.dkr.ecr.eu-central-1.amazonaws.com"
        rancher.add_credential(rancher.add_registry(project, host), "AWS", "stale")
    key = rancher.add_environment_key(project)
    port = _free_port()
    with aws.serve() as aws_url, rancher.serve() as rancher_url, tempfile.TemporaryDirectory() as home:
        variables = {
            **aws.environment(aws_url),
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AWS_REGION": "eu-central-1",
            "AWS_ECR_REGISTRY_IDS": ",".join(f"{number:012}" for number in range(_REGISTRIES)),
            "AWS_MAX_ATTEMPTS": "1",
            "CATTLE_URL": rancher_url,
            "CATTLE_ACCESS_KEY": key.access,
            "CATTLE_SECRET_KEY": key.secret,
            "LISTEN_PORT": str(port),
        }
        command = [sys.executable, "-m", "rancher_ecr", "run"]
        with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
            try:
                service = Service(process, port)
                service.wait_for_sync()
                yield service
            finally:
                process.terminate()
                process.communicate(timeout=10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 when anything has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=1000)
    arguments = parser.parse_args(argv)
    if not Path("/proc/self/fd").exists():
        print("a thousand cycles: needs Linux's /proc; left out")
        return 0
    aws, rancher = AWS(), CattleSimulator()
    with running(aws, rancher) as service:
        looks = []
        for cycle in range(1, arguments.cycles + 1):
            if cycle % _FAULT_EVERY == 0:
                aws.inject("GetAuthorizationToken", error("ServerException", status=500), times=1)
            if cycle % _FAULT_EVERY == 1:
                rancher.faults.on(faults.writes, faults.lose_answer, times=1)
            service.sync()
            service.ask("/metrics" if cycle % 2 else "/readyz")
            aws.calls.clear()
            if cycle in {_WARM, arguments.cycles}:
                looks.append(Figures.of(service.process.pid))
    early, late = looks
    print(f"{arguments.cycles} syncs of {_REGISTRIES} registries, every {_FAULT_EVERY}th failing at AWS or Rancher")
    print(f"{'':16}{'after 10':>12}{f'after {arguments.cycles}':>14}{'ratio':>8}")
    print(f"{'memory, MiB':16}{early.memory:12.1f}{late.memory:14.1f}{late.memory / early.memory:8.3f}")
    print(f"{'threads':16}{early.threads:12}{late.threads:14}{late.threads / early.threads:8.3f}")
    print(f"{'descriptors':16}{early.descriptors:12}{late.descriptors:14}{late.descriptors / early.descriptors:8.3f}")
    print(f"ended by SIGTERM with exit code {service.process.returncode}")
    grown = max(late.threads - early.threads, late.descriptors - early.descriptors) > _SPARE
    return int(grown or late.memory > early.memory * _MEMORY or service.process.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
