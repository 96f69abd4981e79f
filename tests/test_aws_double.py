import json
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import ContainerProvider
from botocore.exceptions import ClientError, HTTPClientError
from botocore.session import Session
from botocore.utils import InstanceMetadataFetcher
from botocore.validate import ParamValidator

from rancher_ecr.testing.aws import AWS, Keys, error, garbage, hang, reset

ROLE = "arn:aws:iam::000000000042:role/path/puller"
# Members of the models which AWS answers only to questions that we never ask.
NEVER_ASKED = {"PackedPolicySize", "SourceIdentity", "SessionTokenUtilization", "SessionTokenSize"}


@pytest.fixture
def aws() -> AWS:
    return AWS(external_id="secret-handshake", denied_ids=("999999999999",))


@pytest.fixture
def url(aws: AWS) -> Iterator[str]:
    with aws.serve() as url:
        yield url


def client(service: str, url: str, keys: Keys, *, region: str = "eu-west-1") -> Any:
    return Session().create_client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(read_timeout=5, retries={"total_max_attempts": 1}),
    )


def members(element: ET.Element) -> set[str]:
    return {child.tag.rpartition("}")[2] for child in element}


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("ecr", "GetAuthorizationToken", {}),
        ("ecr", "GetAuthorizationToken", {"registryIds": ["000000000001", "123456789012"]}),
        ("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "me", "ExternalId": "secret-handshake"}),
        ("sts", "AssumeRoleWithWebIdentity", {"RoleArn": ROLE, "RoleSessionName": "me", "WebIdentityToken": ""}),
        ("sts", "GetCallerIdentity", {}),
    ],
)
def test_every_answer_has_the_shape_of_the_service_model(
    aws: AWS, url: str, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    if "WebIdentityToken" in parameters:
        parameters = {**parameters, "WebIdentityToken": aws.web_identity_token}
    raw: list[bytes] = []
    api = client(service, url, aws.keys)
    api.meta.events.register("after-call", lambda http_response, **_: raw.append(http_response.content))
    answer = api._make_api_call(operation, parameters)

    shape = api.meta.service_model.operation_model(operation).output_shape
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert not ParamValidator().validate(answer, shape).has_errors()
    assert set(answer) == set(shape.members) - NEVER_ASKED
    # The parser drops what the model does not know, so the body is looked at as well.
    if service == "ecr":
        content = json.loads(raw[0])
        assert set(content) == set(shape.members)
        entry_shape = shape.members["authorizationData"].member
        assert all(set(entry) == set(entry_shape.members) for entry in content["authorizationData"])
        assert all(isinstance(entry["expiresAt"], datetime) for entry in answer["authorizationData"])
    else:
        result = ET.fromstring(raw[0])[0]  # noqa: S314  # our own double wrote it
        assert members(result) == set(shape.members) - NEVER_ASKED
        for child in result:
            name = child.tag.rpartition("}")[2]
            if shape.members[name].type_name == "structure":
                assert members(child) == set(shape.members[name].members)


def test_ecr_answers_for_the_region_of_the_signature_and_the_ids_asked(aws: AWS, url: str) -> None:
    api = client("ecr", url, aws.keys, region="cn-north-1")
    answer = api.get_authorization_token(registryIds=["000000000001", "000000000002"])
    assert [entry["proxyEndpoint"] for entry in answer["authorizationData"]] == [
        "https://000000000001.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "https://000000000002.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ]
    left = answer["authorizationData"][0]["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    assert len(aws.passwords) == 2
    assert len(set(aws.passwords)) == 2
    assert {len(password) for password in aws.passwords} == {2000}
    assert [(call.operation, call.region) for call in aws.calls] == [("GetAuthorizationToken", "cn-north-1")]


def test_without_ids_the_principals_account_is_meant(aws: AWS, url: str) -> None:
    role = client("sts", url, aws.keys).assume_role(RoleArn=ROLE, RoleSessionName="me", ExternalId="secret-handshake")
    credentials = role["Credentials"]
    keys = Keys(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], None, ROLE)
    endpoints = [
        client("ecr", url, who).get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
        for who in (aws.keys, keys)
    ]
    assert endpoints == [
        "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "https://000000000042.dkr.ecr.eu-west-1.amazonaws.com",
    ]
    assert client("sts", url, keys).get_caller_identity()["Arn"].endswith(":assumed-role/puller/me")


def refusal(call: Any, **parameters: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    # A modelled error comes out as the model's own class, so the name of the shape was right.
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_wrong_parameters_are_refused(aws: AWS, url: str) -> None:
    ecr = client("ecr", url, aws.keys)
    for ids in (["12345678901"], ["١٢٣٤٥٦٧٨٩٠١٢"], [str(100000000000 + i) for i in range(11)]):
        with pytest.raises(ecr.exceptions.InvalidParameterException):
            ecr.get_authorization_token(registryIds=ids)
    assert refusal(ecr.get_authorization_token, registryIds=["123456789012", "999999999999"]) == (
        "AccessDeniedException",
        400,
    )
    sts = client("sts", url, aws.keys)
    for extra in ({}, {"ExternalId": "wrong"}):
        assert refusal(sts.assume_role, RoleArn=ROLE, RoleSessionName="me", **extra) == ("AccessDenied", 403)
    with pytest.raises(sts.exceptions.InvalidIdentityTokenException):
        sts.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="me", WebIdentityToken="wrong")
    assert refusal(ecr.describe_registry)[0] == "UnknownOperationException"
    assert refusal(sts.get_session_token)[0] == "InvalidAction"


def test_who_is_not_known_is_refused(aws: AWS, url: str) -> None:
    unknown = Keys("AKIAUNKNOWNUNKNOWN", "x" * 40, None, None, "")
    wrong_secret = Keys(aws.keys.access_key_id, "x" * 40, None, None, "")
    session = aws.issue_session()
    without_token = Keys(session.access_key_id, session.secret_access_key, None, None, "")
    for keys, ecr_code, sts_code in (
        (unknown, "UnrecognizedClientException", "InvalidClientTokenId"),
        (without_token, "UnrecognizedClientException", "InvalidClientTokenId"),
        (wrong_secret, "InvalidSignatureException", "SignatureDoesNotMatch"),
    ):
        assert refusal(client("ecr", url, keys).get_authorization_token) == (ecr_code, 400)
        assert refusal(client("sts", url, keys).get_caller_identity) == (sts_code, 403)
    assert client("ecr", url, session).get_authorization_token()["authorizationData"]
    rotated = aws.issue_user_keys()
    aws.revoke(aws.keys.access_key_id)
    assert refusal(client("ecr", url, aws.keys).get_authorization_token)[0] == "UnrecognizedClientException"
    assert client("ecr", url, rotated).get_authorization_token()["authorizationData"]
    headers = {"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"}
    request = urllib.request.Request(url, b"{}", headers)  # noqa: S310  # loopback
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)  # noqa: S310  # loopback
    with caught.value as answer:
        assert json.load(answer)["__type"] == "MissingAuthenticationTokenException"


def test_expired_sessions_and_skewed_clocks_are_refused() -> None:
    aws = AWS(credentials_lifetime=timedelta(seconds=-1))
    with aws.serve() as url:
        assert refusal(client("ecr", url, aws.issue_session()).get_authorization_token)[0] == "ExpiredTokenException"
        assert refusal(client("sts", url, aws.issue_session()).get_caller_identity)[0] == "ExpiredToken"
    for minutes, word in ((-6, "not yet current"), (6, "expired")):
        aws = AWS(clock_skew=timedelta(minutes=minutes))
        with aws.serve() as url, pytest.raises(ClientError, match=f"InvalidSignatureException.*{word}"):
            client("ecr", url, aws.keys).get_authorization_token()


def test_the_date_header_is_the_clock_of_aws() -> None:
    aws = AWS(clock_skew=timedelta(minutes=4))
    with aws.serve() as url:
        answer = client("ecr", url, aws.keys).get_authorization_token()
    date = datetime.strptime(answer["ResponseMetadata"]["HTTPHeaders"]["date"], "%a, %d %b %Y %H:%M:%S %Z").replace(
        tzinfo=UTC
    )
    assert timedelta(minutes=3.5) < date - datetime.now(UTC) < timedelta(minutes=4.5)


def test_instance_metadata_speaks_version_two_only(aws: AWS, url: str) -> None:
    path = f"{url}/latest/meta-data/iam/security-credentials/"
    for request in (
        urllib.request.Request(path),  # noqa: S310  # loopback
        urllib.request.Request(f"{url}/latest/api/token", method="PUT"),  # noqa: S310  # loopback
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)  # noqa: S310  # loopback
        caught.value.close()
        assert caught.value.code in {400, 401}
    fetcher = InstanceMetadataFetcher(config={"ec2_metadata_service_endpoint": url}, timeout=5, env={})
    credentials = fetcher.retrieve_iam_role_credentials()
    assert credentials["role_name"] == "instance-role"
    assert credentials == fetcher.retrieve_iam_role_credentials()
    keys = Keys(credentials["access_key"], credentials["secret_key"], credentials["token"], None, "")
    assert client("ecr", url, keys).get_authorization_token()["authorizationData"]
    assert set(aws.operations()) == {"InstanceMetadata", "InstanceMetadataToken", "GetAuthorizationToken"}


def test_container_credentials_want_the_token(aws: AWS, url: str) -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v2/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.container_token,
    }
    frozen = ContainerProvider(environ).load().get_frozen_credentials()
    keys = Keys(str(frozen.access_key), str(frozen.secret_key), frozen.token, None, "")
    assert client("ecr", url, keys).get_authorization_token()["authorizationData"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/v2/credentials")  # noqa: S310  # loopback


def test_rotating_credentials_change_after_half_their_life() -> None:
    aws = AWS(credentials_lifetime=timedelta(0))
    with aws.serve() as url:
        fetcher = InstanceMetadataFetcher(config={"ec2_metadata_service_endpoint": url}, timeout=5, env={})
        first, second = (fetcher.retrieve_iam_role_credentials()["access_key"] for _ in range(2))
    assert first != second


def test_faults_are_as_many_as_were_injected(aws: AWS, url: str) -> None:
    api = client("ecr", url, aws.keys)
    aws.inject("GetAuthorizationToken", error("ThrottlingException"), 2)
    aws.inject("GetAuthorizationToken", reset, 1)
    assert [refusal(api.get_authorization_token)[0] for _ in range(2)] == ["ThrottlingException"] * 2
    with pytest.raises(HTTPClientError):
        api.get_authorization_token()
    assert api.get_authorization_token()["authorizationData"]
    aws.inject("GetAuthorizationToken", garbage)
    for _ in range(2):
        assert "authorizationData" not in api.get_authorization_token()  # botocore takes any text for an empty answer
    aws.heal()
    assert api.get_authorization_token()["authorizationData"]


def test_a_hanging_double_ends_at_once(aws: AWS) -> None:
    began = datetime.now(UTC)
    with aws.serve() as url:
        aws.inject("GetAuthorizationToken", hang)
        quick = Session().create_client(
            "ecr",
            region_name="eu-west-1",
            endpoint_url=url,
            aws_access_key_id=aws.keys.access_key_id,
            aws_secret_access_key=aws.keys.secret_access_key,
            config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}),
        )
        with pytest.raises(HTTPClientError):
            quick.get_authorization_token()  # type: ignore[attr-defined]  # clients are made at run time
    assert datetime.now(UTC) - began < timedelta(seconds=30)


def test_no_repr_shows_a_secret(aws: AWS, url: str) -> None:
    client("ecr", url, aws.issue_session()).get_authorization_token()
    client("sts", url, aws.keys).assume_role_with_web_identity(
        RoleArn=ROLE, RoleSessionName="me", WebIdentityToken=aws.web_identity_token
    )
    shown = f"{aws!r} {aws.calls!r} {aws.keys!r} {aws.calls}"
    assert len(aws.secrets) > 5
    assert not [secret for secret in aws.secrets if secret in shown]
