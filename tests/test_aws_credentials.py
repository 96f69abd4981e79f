"""Every way to AWS credentials, each in a process of its own with local endpoints only."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from rancher_ecr.testing.aws import AWS, Fault, Keys, garbage, hang

GET = "GetAuthorizationToken"
ROLE = "arn:aws:iam::000000000007:role/path/puller"

# One line of JSON in, one out: the arguments of a new source, or null to ask the last one again. No password comes out.
SCRIPT = """
import hashlib, json, logging, sys, time
from rancher_ecr.errors import RancherECRError
from rancher_ecr.sources.ecr import ECRTokenSource

logging.basicConfig(level=logging.INFO)
for line in sys.stdin:
    arguments = json.loads(line)
    if arguments is not None:
        source = ECRTokenSource("eu-west-1", connect_timeout=1, read_timeout=1, process_timeout=1, **arguments)
    began = time.monotonic()
    tokens, error = [], None
    try:
        for token in source.tokens():
            tokens.append([token.server_addresses[0], hashlib.sha256(token.password.encode()).hexdigest()])
    except RancherECRError as problem:
        error = [type(problem).__name__, str(problem)]
        logging.exception("failed")
    print(json.dumps({"tokens": tokens, "error": error, "seconds": time.monotonic() - began}), flush=True)
"""


@frozen
class Answer:
    tokens: list[list[str]]
    error: list[str] | None
    seconds: float


class Process:
    """A process with a source in it, asked line by line."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **environment},
        )

    def ask(self, arguments: dict[str, Any] | None) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return Answer(**json.loads(self._process.stdout.readline()))

    def end(self) -> str:
        """Return what it wrote besides the answers."""
        try:
            out, err = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        return out + err


@frozen
class Way:
    """One way to credentials.

    Attributes:
        environment: the variables, given the double, its URL and a folder for files.
        asks: what the double is asked for the credentials; ECR itself when they need no asking.
        arguments: of the source.
        account_id: whose login comes out.
        refused, garbled, hung: words of the error when nothing listens, nonsense comes, nothing comes.
    """

    environment: Callable[[AWS, str, Path], dict[str, str]]
    asks: str = GET
    arguments: dict[str, Any] = field(factory=dict)
    account_id: str = "123456789012"
    refused: str = "AWS is not reached"
    garbled: str = "not AWS"
    hung: str = "AWS is not reached"


def keys(aws: AWS, url: str, _folder: Path) -> dict[str, str]:
    return aws.environment(url)


def keys_with_token(aws: AWS, url: str, _folder: Path) -> dict[str, str]:
    session = aws.issue_session()
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": str(session.session_token),
    }


def profile(aws: AWS, url: str, folder: Path) -> dict[str, str]:
    write(folder / "credentials", f"[other]\naws_access_key_id=x\naws_secret_access_key=y\n{section('mine', aws.keys)}")
    return {"AWS_ENDPOINT_URL": url, "AWS_PROFILE": "mine"}


def profile_with_role(aws: AWS, url: str, folder: Path) -> dict[str, str]:
    write(folder / "credentials", section("base", aws.keys))
    write(folder / "config", f"[profile puller]\nrole_arn={ROLE}\nsource_profile=base\nexternal_id=shake\n")
    return {"AWS_ENDPOINT_URL": url, "AWS_PROFILE": "puller"}


def process(aws: AWS, url: str, folder: Path) -> dict[str, str]:
    """Let a script give the credentials; the faults are put in its place, since it has no endpoint."""
    answer = {"Version": 1, "AccessKeyId": aws.keys.access_key_id, "SecretAccessKey": aws.keys.secret_access_key}
    write(folder / "answer", json.dumps(answer))
    write(folder / "config", f"[default]\ncredential_process = /bin/sh {folder / 'script'}\n")
    write(folder / "script", f"cat {folder / 'answer'}\n")
    return {"AWS_ENDPOINT_URL": url}


def web_identity(aws: AWS, url: str, folder: Path) -> dict[str, str]:
    write(folder / "token", aws.web_identity_token)
    return {"AWS_ENDPOINT_URL": url, "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token")}


def container(aws: AWS, url: str, folder: Path) -> dict[str, str]:
    write(folder / "token", aws.container_token)
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v2/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token"),
    }


def instance_profile(_aws: AWS, url: str, _folder: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
        "AWS_METADATA_SERVICE_TIMEOUT": "1",
    }


NONE = "no AWS credentials"
GARBLED = "the source of the AWS credentials"
WAYS = {
    "keys": Way(keys),
    "keys with session token": Way(keys_with_token),
    "shared file": Way(profile),
    "profile with role": Way(profile_with_role, "AssumeRole", account_id="000000000007", garbled=GARBLED),
    "web identity": Way(web_identity, "AssumeRoleWithWebIdentity", account_id="000000000007", garbled=GARBLED),
    "container": Way(container, "ContainerCredentials", refused=GARBLED, garbled=GARBLED, hung=GARBLED),
    "instance profile": Way(instance_profile, "InstanceMetadata", refused=NONE, garbled=NONE, hung=NONE),
    "role": Way(
        keys,
        "AssumeRole",
        {"role_arn": ROLE, "role_external_id": "shake", "role_session_name": "me"},
        account_id="000000000007",
        garbled=GARBLED,
    ),
}


def write(path: Path, text: str) -> None:
    path.write_text(text)


def section(name: str, pair: Keys) -> str:
    return f"[{name}]\naws_access_key_id={pair.access_key_id}\naws_secret_access_key={pair.secret_access_key}\n"


def surroundings(folder: Path) -> dict[str, str]:
    return {
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }


@contextlib.contextmanager
def running(aws: AWS, environment: Mapping[str, str]) -> Iterator[Process]:
    asked = Process(environment)
    try:
        yield asked
    finally:
        shown = asked.end()
    assert [secret for secret in aws.secrets if secret in shown] == []


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def is_good(answer: Answer, aws: AWS, account_id: str) -> bool:
    password = sha256(aws.passwords[-1].encode()).hexdigest()
    return answer.error is None and answer.tokens == [[f"{account_id}.dkr.ecr.eu-west-1.amazonaws.com", password]]


@pytest.mark.parametrize("name", WAYS)
def test_each_way_works_fails_in_time_and_works_again(name: str, tmp_path: Path) -> None:
    way = WAYS[name]
    aws = AWS(external_id="shake" if way.asks == "AssumeRole" else None)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.ExitStack())
        url = server.enter_context(aws.serve())
        environment = surroundings(tmp_path) | way.environment(aws, url, tmp_path)
        asked = stack.enter_context(running(aws, environment))
        assert is_good(asked.ask(way.arguments), aws, way.account_id)

        faults: list[tuple[Fault, str]] = [(hang, way.hung), (garbage, way.garbled)]
        for fault, said in faults:
            for operation in {way.asks, "InstanceMetadataToken"} if way.asks == "InstanceMetadata" else {way.asks}:
                aws.inject(operation, fault)
            answer = asked.ask(way.arguments)
            assert answer.tokens == []
            assert answer.error is not None
            assert said in answer.error[1], answer.error
            assert answer.seconds < 30
            aws.heal()
            # The very source that failed at its start.
            assert is_good(asked.ask(None), aws, way.account_id)

        server.close()
        answer = asked.ask(way.arguments)
        assert answer.tokens == []
        assert answer.error is not None
        assert way.refused in answer.error[1], answer.error
        server.enter_context(aws.serve(port_of(url)))
        assert is_good(asked.ask(None), aws, way.account_id)
    assert way.asks in aws.operations()


def test_credentials_that_rotate_or_expire_during_the_run_are_renewed(tmp_path: Path) -> None:
    lifetime = timedelta(seconds=4)
    names = ["profile with role", "web identity", "container", "instance profile", "role"]
    doubles = {name: AWS(credentials_lifetime=lifetime, external_id="shake") for name in names}
    with contextlib.ExitStack() as stack:
        asked = {}
        for name, aws in doubles.items():
            folder = tmp_path / name
            folder.mkdir()
            url = stack.enter_context(aws.serve())
            environment = surroundings(folder) | WAYS[name].environment(aws, url, folder)
            asked[name] = stack.enter_context(running(aws, environment))
        for name, aws in doubles.items():
            assert is_good(asked[name].ask(WAYS[name].arguments), aws, WAYS[name].account_id)
        time.sleep(lifetime.total_seconds() + 0.1)
        for name, aws in doubles.items():
            assert is_good(asked[name].ask(None), aws, WAYS[name].account_id)
    for aws in doubles.values():
        signers = [call.access_key_id for call in aws.calls if call.operation == GET]
        assert signers[0] != signers[-1]
        assert all(signer.startswith("ASIA") for signer in signers)
    assumed = [call.parameters for call in doubles["role"].calls if call.operation == "AssumeRole"]
    assert len(assumed) >= 2
    assert {(one["ExternalId"], one["RoleSessionName"]) for one in assumed} == {("shake", "me")}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 30", "did not end in time"),
        ("echo '<html>'", GARBLED),
        ("echo '[]'", GARBLED),
        ("echo '{\"Version\": 7}'", GARBLED),
        ("echo '{\"Version\": 1}'", GARBLED),
        ("echo not today >&2; exit 3", "not today"),
        (None, GARBLED),
    ],
)
def test_a_credential_process_may_hang_or_talk_nonsense(script: str | None, said: str, tmp_path: Path) -> None:
    aws = AWS()
    with aws.serve() as url, running(aws, surroundings(tmp_path) | process(aws, url, tmp_path)) as asked:
        good = (tmp_path / "script").read_text()
        if script is None:
            (tmp_path / "script").unlink()
        else:
            write(tmp_path / "script", script)
        answer = asked.ask({})
        assert answer.error is not None
        assert said in answer.error[1]
        assert answer.seconds < 20
        write(tmp_path / "script", good)
        assert is_good(asked.ask(None), aws, "123456789012")


def test_files_that_are_missing_or_nonsense_are_told_and_healed(tmp_path: Path) -> None:
    aws = AWS()
    with aws.serve() as url:
        environment = surroundings(tmp_path) | web_identity(aws, url, tmp_path)
        with running(aws, environment) as asked:
            (tmp_path / "token").unlink()
            answer = asked.ask({})
            assert answer.error is not None
            assert str(tmp_path / "token") in answer.error[1]
            write(tmp_path / "token", "somebody else's")
            answer = asked.ask(None)
            assert answer.error is not None
            assert "AWS_WEB_IDENTITY_TOKEN_FILE" in answer.error[1]
            write(tmp_path / "token", aws.web_identity_token)
            assert is_good(asked.ask(None), aws, "000000000007")
        with running(aws, surroundings(tmp_path) | container(aws, url, tmp_path)) as asked:
            for content in ("two\nlines", "wrong-token"):
                write(tmp_path / "token", content)
                answer = asked.ask({})
                assert answer.error is not None
                assert GARBLED in answer.error[1]
