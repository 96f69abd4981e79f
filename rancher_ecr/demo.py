"""Shows `once` at work between an embedded AWS and an embedded Rancher. Nothing of the product may need it.

`python -m rancher_ecr once` runs in a process of its own, told everything by environment variables, as a container is.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import frozen

from rancher_ecr.model import server_address

if TYPE_CHECKING:
    from rancher_ecr.testing.aws import AWS
    from rancher_ecr.testing.cattle import CattleSimulator

_TIMEOUT = 60.0  # seconds; it takes two or three
_STALE = "a-login-of-last-week"
_ACCOUNTS = ("123456789012", "210987654321", "000000000042")
_HOSTS = tuple(f"{account}.dkr.ecr.eu-central-1.amazonaws.com" for account in _ACCOUNTS)
_HEADINGS = ("ENVIRONMENT", "REGISTRY", "USER", "USED AT A PULL", "VALID UNTIL (UTC)")


@frozen
class _World:
    """The two doubles, and the environments in the second."""

    aws: "AWS"
    rancher: "CattleSimulator"
    environments: dict[str, str]


def main() -> int:
    """Run the demo and return the exit code of `once`."""
    try:
        from rancher_ecr.testing.aws import AWS  # noqa: PLC0415  # the extra may be missing
        from rancher_ecr.testing.cattle import CattleSimulator  # noqa: PLC0415  # the extra may be missing
    except ModuleNotFoundError as error:
        print(f"rancher_ecr: the demo needs {error.name}: pip install 'rancher-ecr[testing]'", file=sys.stderr)
        return 2
    aws, rancher = AWS(), CattleSimulator(transition=0.05)
    world = _World(aws, rancher, {name: rancher.add_project(name) for name in ("Default", "Staging")})
    with aws.serve() as aws_url, rancher.serve() as rancher_url:
        variables = {**_fill(world), **aws.environment(aws_url), "CATTLE_URL": rancher_url}
        print(f"An embedded AWS at {aws_url} and an embedded Rancher at {rancher_url}, with one account key for:\n")
        _print_table(world)
        print("\n$ python -m rancher_ecr once", flush=True)
        # Only what a program needs to start is inherited: no proxy, profile or key of this machine plays a part.
        inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "VIRTUAL_ENV") if name in os.environ}
        command = [sys.executable, "-m", "rancher_ecr", "once"]
        done = subprocess.run(command, env={**inherited, **variables}, timeout=_TIMEOUT, check=False)  # noqa: S603  # ours
        print()
        _print_table(world)
    return done.returncode


def _fill(world: _World) -> dict[str, str]:
    """Put a week's neglect into Rancher; return the variables that `once` is to be run with."""
    rancher, (default, staging) = world.rancher, world.environments.values()
    own, scheme, vacant = _HOSTS
    rancher.add_credential(rancher.add_registry(default, own), "AWS", _STALE)
    rancher.add_credential(rancher.add_registry(default, f"https://{scheme}"), "AWS", _STALE)
    rancher.add_registry(default, vacant)
    rancher.add_credential(rancher.add_registry(default, "registry.example.com"), "ci", "not-ours")
    rancher.add_credential(rancher.add_registry(staging, own), "AWS", _STALE)
    key = rancher.add_account_key("operator")
    for environment in world.environments.values():
        rancher.add_member(environment, "operator", "owner")
    return {
        "CATTLE_ACCESS_KEY": key.access,
        "CATTLE_SECRET_KEY": key.secret,
        "CATTLE_ENVIRONMENTS": ",".join(world.environments),
        "AUTO_CREATE": "true",
        "AWS_REGION": "eu-central-1",
        "AWS_ECR_REGISTRY_IDS": ",".join(_ACCOUNTS),
        "AWS_ROLE_ARN": f"arn:aws:iam::{_ACCOUNTS[0]}:role/pull-only",
    }


def _print_table(world: _World) -> None:
    rows = [_HEADINGS, *_rows(world)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    ignored = [row[1] for row in rows if row[3].startswith("no, ignored")]
    for address in ignored:
        print(
            f"\n{address!r} is never used: Rancher compares it literally with an image's host.\n"
            f"Remedy: a registry with the address {server_address(address)!r}; then this one can go."
        )


def _rows(world: _World) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for environment, project_id in world.environments.items():
        logins = {login.registry_id: login for login in reversed(world.rancher.credentials(project_id))}
        for registry in world.rancher.registries(project_id):
            login = logins.get(registry.id)
            used = world.rancher.pull(server_address(registry.server_address), project_id)
            if login is None:
                answer = "no, it has no login"
            elif registry.server_address.lower() != server_address(registry.server_address):
                answer = "no, ignored"
            else:
                answer = "yes" if used is not None and used.registry_id == registry.id else "no"
            user, password = (login.username or "", login.password) if login else ("-", None)
            rows.append((environment, registry.server_address, user, answer, _validity(world.aws, password)))
    return rows


def _validity(aws: "AWS", password: str | None) -> str:
    if password is None:
        return "-"
    if password == _STALE:
        return "expired last week"
    if password in aws.passwords:
        return f"{datetime.now(UTC) + timedelta(hours=12):%Y-%m-%d %H:%M}"
    return "not ours"
