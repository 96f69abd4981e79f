"""`python -m rancher_ecr` from end to end: real processes, real sockets, environment variables only."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from rancher_ecr import __version__
from rancher_ecr.settings import VARIABLES
from rancher_ecr.testing.aws import AWS
from rancher_ecr.testing.aws import faults as aws_faults
from rancher_ecr.testing.cattle import CattleSimulator, Key

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
OTHER = "210987654321.dkr.ecr.us-east-1.amazonaws.com"
INHERITED = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}


@frozen
class World:
    aws: AWS
    aws_url: str
    rancher: CattleSimulator
    rancher_url: str
    project: str

    def variables(self, key: Key, **more: str) -> dict[str, str]:
        return {
            **self.aws.environment(self.aws_url),
            "AWS_REGION": "us-east-1",
            "CATTLE_URL": self.rancher_url,
            "CATTLE_ACCESS_KEY": key.access,
            "CATTLE_SECRET_KEY": key.secret,
            **more,
        }

    def pulled(self, host: str = HOST, project: str | None = None) -> str | None:
        login = self.rancher.pull(host, project or self.project)
        return login.password if login else None


@pytest.fixture
def world() -> Iterator[World]:
    aws, rancher = AWS(), CattleSimulator(transition=0.02)
    project = rancher.add_project("Default")
    with aws.serve() as aws_url, rancher.serve() as rancher_url:
        yield World(aws, aws_url, rancher, rancher_url, project)


def run(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rancher_ecr", *arguments]
    return subprocess.run(command, env={**INHERITED, **env}, capture_output=True, text=True, timeout=60, check=False)


def test_once_delivers_with_an_environment_key(world: World) -> None:
    world.rancher.add_credential(world.rancher.add_registry(world.project, HOST), "AWS", "stale")
    done = run("once", env=world.variables(world.rancher.add_environment_key(world.project)))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{HOST} updated until" in done.stdout
    assert world.pulled() == world.aws.passwords[-1]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/schemas", "/v2-beta/", "/v1/projects/{}", "/v2-beta/projects/{}/schemas"]
)
def test_once_with_every_form_of_url_creates_what_lacks(world: World, path: str) -> None:
    url = world.rancher_url + path.format(world.project)
    key = world.rancher.add_environment_key(world.project)
    done = run("once", env=world.variables(key, CATTLE_URL=url, AUTO_CREATE="t"))
    assert (done.returncode, done.stderr) == (0, "")
    assert world.pulled() == world.aws.passwords[-1]
    requested = {request.path.split("/")[1] for request in world.rancher.requests}
    assert requested == {"v1" if "/v1" in path else "v2-beta"}


def test_once_serves_several_environments_with_one_account_key(world: World) -> None:
    second = world.rancher.add_project("Second")
    key = world.rancher.add_account_key("operator")
    for project in (world.project, second):
        world.rancher.add_member(project, "operator", "owner")
        world.rancher.add_credential(world.rancher.add_registry(project, HOST), "AWS", "stale")
    refused = run("once", env=world.variables(key))
    assert refused.returncode == 1
    assert "Default (1a5, active), Second" in refused.stderr
    assert run("once", env=world.variables(key, CATTLE_ENVIRONMENTS="*")).returncode == 0
    assert {world.pulled(project=project) for project in (world.project, second)} == {world.aws.passwords[-1]}


def test_platform_names_and_blank_variables_as_templates_leave_them(world: World) -> None:
    world.rancher.add_credential(world.rancher.add_registry(world.project, HOST), "AWS", "stale")
    key = world.rancher.add_agent_key(world.project, role="environment")
    variables = {name.replace("CATTLE_", "PLATFORM_"): value for name, value in world.variables(key).items()}
    blank = {variable.name: "" for variable in VARIABLES if variable.name not in variables}
    blank |= {"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_DEFAULT_REGION": " "}
    done = run("once", env={**variables, **blank})
    assert (done.returncode, done.stderr) == (0, "")
    assert world.pulled() == world.aws.passwords[-1]


def test_what_the_old_updaters_offered(world: World) -> None:
    proxy = "ecr-proxy.example.com"
    for address in (f"https://{HOST}", OTHER, proxy):
        world.rancher.add_credential(world.rancher.add_registry(world.project, address), "AWS", "stale")
    key = world.rancher.add_environment_key(world.project)
    more = {
        "AWS_ECR_REGISTRY_IDS": "123456789012,210987654321",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pull",
        "AUTO_CREATE": "1",
        "LOG_LEVEL": "warning",
        "LISTEN_PORT": "8080",
    }
    done = run("once", env=world.variables(key, **more))
    assert done.returncode == 0, done.stderr
    assert "AssumeRole" in world.aws.operations()
    assert {world.pulled(HOST), world.pulled(OTHER)} == set(world.aws.passwords)
    assert world.pulled(proxy) == "stale"
    done = run("once", env=world.variables(key, **more | {"ECR_PROXY_HOST": proxy}))
    assert done.returncode == 0, done.stderr
    assert world.pulled(proxy) in world.aws.passwords[-2:]


def test_check_and_dry_run_write_nothing(world: World) -> None:
    world.rancher.add_credential(world.rancher.add_registry(world.project, HOST), "AWS", "stale")
    env = world.variables(world.rancher.add_environment_key(world.project), AUTO_CREATE="true")
    for arguments in (("check",), ("once", "--dry-run")):
        done = run(*arguments, env=env)
        assert done.returncode == 0
        assert done.stdout.startswith("would be: ")
    assert world.pulled() == "stale"
    assert {request.method for request in world.rancher.requests} == {"GET"}


def test_the_service_refuses_a_dry_run_rather_than_write(world: World) -> None:
    env = world.variables(world.rancher.add_environment_key(world.project), LISTEN_PORT="off")
    for arguments in (("--dry-run",), ("run", "--dry-run")):
        done = run(*arguments, env=env)
        assert (done.returncode, "--dry-run goes with once" in done.stderr) == (2, True)
    assert not world.rancher.requests


def test_what_is_not_delivered_is_said_on_stderr_and_the_rest_is_delivered(world: World) -> None:
    world.rancher.add_credential(world.rancher.add_registry(world.project, HOST), "AWS", "stale")
    key = world.rancher.add_environment_key(world.project)
    done = run("once", env=world.variables(key, AWS_ECR_REGISTRY_IDS="123456789012,210987654321"))
    assert done.returncode == 1
    assert OTHER in done.stderr
    assert "AUTO_CREATE" in done.stderr
    assert world.pulled() in world.aws.passwords


def test_wrong_settings_are_all_named_at_once(world: World) -> None:
    done = run("run", env={"LISTEN_PORT": "x", "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 2
    for name in ("CATTLE_URL", "CATTLE_ACCESS_KEY", "CATTLE_SECRET_KEY", "LISTEN_PORT", "AWS_REGION"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    done = run("once", env={"AWS_REGION": "x y,z w", "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 2
    assert all(text in done.stderr for text in ("'x y'", "'z w'", "CATTLE_URL"))
    no_region = {k: v for k, v in world.variables(Key("a", "secret-key")).items() if k != "AWS_REGION"}
    done = run("once", env=no_region)
    assert (done.returncode, "AWS_REGION" in done.stderr) == (2, True)


def test_no_output_holds_a_secret(world: World) -> None:
    world.rancher.add_credential(world.rancher.add_registry(world.project, HOST), "AWS", "a-stale-password")
    key = world.rancher.add_environment_key(world.project)
    reader = world.rancher.add_account_key("reader")
    world.rancher.add_member(world.project, "reader", "readonly")
    session = world.aws.issue_session()
    temporary = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token or "",
    }
    printed = ""
    for env in (
        world.variables(key, LOG_LEVEL="trace", AUTO_CREATE="true", AWS_ECR_REGISTRY_IDS="123456789012,210987654321"),
        world.variables(key, LOG_LEVEL="debug", **temporary),
        world.variables(reader, LOG_LEVEL="debug"),
        world.variables(Key(key.access, "a-wrong-secret-key")),
    ):
        done = run("once", env=env)
        printed += done.stdout + done.stderr
    world.aws.inject("GetAuthorizationToken", aws_faults.body(f"echo {session.session_token} {key.secret}"))
    done = run("once", env=world.variables(key, **temporary))
    printed += done.stdout + done.stderr
    secrets = [
        *world.aws.secrets,
        *world.aws.passwords,
        key.secret,
        reader.secret,
        "a-wrong-secret-key",
        "a-stale-password",
    ]
    assert [secret for secret in secrets if secret in printed] == []
    assert len(world.aws.passwords) >= 4


def test_help_names_every_variable() -> None:
    done = run("--help", env={})
    assert done.returncode == 0
    assert [variable.name for variable in VARIABLES if f"  {variable.name} " not in done.stdout] == []
    assert run("--version", env={}).stdout == f"rancher-ecr {__version__}\n"


def test_the_demo() -> None:
    done = run("demo", env={"AWS_PROFILE": "not-there", "HTTP_PROXY": "http://127.0.0.1:1"})
    assert (done.returncode, done.stderr) == (0, "")
    before, after = done.stdout.split("$ python -m rancher_ecr once")
    for words in ("Default", "Staging", "no, ignored", "Remedy: ", "no, it has no login", "expired last week"):
        assert words in before
    assert "created" in after
    assert "expired last week" not in after
    rows = [line for line in after.splitlines() if re.match(r"(Default|Staging) +[0-9]{12}", line)]
    assert len(rows) == 6
    assert all(" yes " in row for row in rows)


def test_the_readme_lists_every_setting() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    for variable in VARIABLES:
        assert f"| `{variable.name}` | {variable.default or '-'} | {variable.meaning} |" in readme
