import base64
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr.errors import MalformedTokenError, SettingsError, SourceError
from rancher_ecr.redaction import Secrets
from rancher_ecr.sources._ecr_answer import clock_offset, read_host, read_token
from rancher_ecr.sources.ecr import ECRTokenSource
from rancher_ecr.testing.aws import AWS, Keys, body, error, garbage, hang, reset

GET = "GetAuthorizationToken"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SUFFIXES = frozenset({"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "c2s.ic.gov"})


@pytest.fixture
def aws() -> AWS:
    return AWS()


@pytest.fixture
def url(aws: AWS, clean_environment: pytest.MonkeyPatch) -> Iterator[str]:
    with aws.serve() as url:
        for name, value in aws.environment(url).items():
            clean_environment.setenv(name, value)
        yield url


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return monkeypatch


def ids(count: int, first: int = 1) -> list[str]:
    return [f"{number:012}" for number in range(first, first + count)]


def gather(source: ECRTokenSource) -> tuple[list[str], SourceError | None]:
    tokens: list[str] = []
    iterator = source.tokens()
    while True:
        try:
            tokens.append(next(iterator).server_addresses[0][:12])
        except StopIteration:
            return tokens, None
        except SourceError as problem:
            return tokens, problem


def asked(aws: AWS) -> list[list[str] | None]:
    return [call.parameters.get("registryIds") for call in aws.calls if call.operation == GET]


def answer(*entries: dict[str, Any]) -> str:
    return json.dumps({"authorizationData": entries})


def entry(account: str, **changes: Any) -> dict[str, Any]:
    login = {
        "authorizationToken": base64.b64encode(f"AWS:password-of-{account}".encode()).decode(),
        "expiresAt": (datetime.now(UTC) + timedelta(hours=12)).timestamp(),
        "proxyEndpoint": f"https://{account}.dkr.ecr.eu-west-1.amazonaws.com",
    }
    return {name: value for name, value in (login | changes).items() if value is not None}


def test_a_login_of_the_principals_own_account(aws: AWS, url: str) -> None:
    (token,) = ECRTokenSource("eu-west-1", endpoint_url=url).tokens()
    assert token.proxy_endpoint == "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert token.server_addresses == (
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com",
        "123456789012.dkr-ecr.eu-west-1.on.aws",
        "123456789012.dkr-ecr-fips.eu-west-1.on.aws",
    )
    assert (token.username, token.password) == ("AWS", aws.passwords[0])
    assert timedelta(hours=11, minutes=59) < token.expires_at - datetime.now(UTC) < timedelta(hours=12, seconds=2)
    assert token.expires_at.utcoffset() == timedelta(0)


@pytest.mark.usefixtures("url")
def test_every_call_asks_anew_with_one_client_and_tells_the_secrets(aws: AWS) -> None:
    secrets = Secrets()
    source = ECRTokenSource("eu-west-1", secrets=secrets)
    assert aws.calls == []
    first, second = (next(source.tokens()) for _ in range(2))
    assert first.password != second.password
    assert aws.operations() == [GET, GET]
    shown = " ".join([aws.keys.secret_access_key, *aws.passwords])
    assert secrets.scrub(shown) == "*** *** ***"


def test_a_region_of_the_environment_serves_when_none_is_given(
    aws: AWS, url: str, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    source = ECRTokenSource(" ", endpoint_url=url)
    assert source.name == "ecr ap-south-1"
    assert next(source.tokens()).server_addresses[0] == "123456789012.dkr.ecr.ap-south-1.amazonaws.com"
    assert [call.region for call in aws.calls] == ["ap-south-1"]


@pytest.mark.usefixtures("url")
def test_ids_are_asked_in_calls_of_ten_without_repeats_in_order(aws: AWS) -> None:
    wanted = ids(23)
    source = ECRTokenSource("eu-west-1", [f" {wanted[0]} ", "", *wanted, wanted[3], " "])
    assert gather(source) == (wanted, None)
    assert asked(aws) == [wanted[:10], wanted[10:20], wanted[20:]]


@pytest.mark.usefixtures("clean_environment")
def test_one_refused_id_loses_that_one_only() -> None:
    wanted = ids(25)
    denied = [wanted[3], wanted[4], wanted[24]]
    aws = AWS(denied_ids=denied)
    with aws.serve() as url:
        got, problem = gather(ECRTokenSource("eu-west-1", wanted, session=signed(aws.keys), endpoint_url=url))
    assert got == [one for one in wanted if one not in denied]
    assert type(problem) is SourceError
    assert [one for one in wanted if one in str(problem)] == denied
    assert "ecr:GetAuthorizationToken" in str(problem)


def signed(keys: Keys) -> Session:
    session = Session()
    session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return session


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"authorizationToken": None}, "authorizationToken"),
        ({"authorizationToken": "not base64!"}, "base64"),
        ({"authorizationToken": base64.b64encode(b"AWS:a-good-password").decode()[:8] + "\n!" + "YQ=="}, "base64"),
        ({"authorizationToken": base64.b64encode(b"no colon").decode()}, "user:password"),
        ({"authorizationToken": base64.b64encode(b":no-user").decode()}, "user:password"),
        ({"authorizationToken": base64.b64encode(b"no-password:").decode()}, "user:password"),
        ({"authorizationToken": base64.b64encode(b"AWS:\xff\xfe\xfd").decode()}, "user:password"),
        ({"authorizationToken": 17}, "authorizationToken"),
        ({"proxyEndpoint": None}, "proxyEndpoint"),
        ({"proxyEndpoint": "ftp://000000000002.example.com"}, "proxyEndpoint"),
        ({"proxyEndpoint": "https://"}, "proxyEndpoint"),
        ({"proxyEndpoint": "000000000002.dkr.ecr.eu-west-1.amazonaws.com"}, "proxyEndpoint"),
        ({"proxyEndpoint": "https://[::1"}, "proxyEndpoint"),
        ({"proxyEndpoint": ["https://example.com"]}, "proxyEndpoint"),
        ({"expiresAt": None}, "expiresAt"),
    ],
)
def test_one_bad_entry_loses_that_one_only(aws: AWS, broken: dict[str, Any], said: str) -> None:
    aws.inject(GET, body(answer(entry("000000000001"), entry("000000000002", **broken), entry("000000000003"))))
    got, problem = gather(ECRTokenSource("eu-west-1", ids(3)))
    assert got == ["000000000001", "000000000003"]
    assert isinstance(problem, MalformedTokenError)
    assert "000000000002" in str(problem)
    assert said in str(problem)
    shown = "".join(traceback.format_exception(problem)) + repr(problem.__context__)
    assert not [value for value in broken.values() if value is not None and str(value) in shown]
    assert "password-of" not in shown


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("text", ["{}", answer(), "null", '{"authorizationData": null}', "[]", "", "<html>"])
def test_an_answer_without_a_login_is_an_error(aws: AWS, text: str) -> None:
    aws.inject(GET, body(text))
    for wanted in ([], ids(1)):
        got, problem = gather(ECRTokenSource("eu-west-1", wanted))
        assert got == []
        assert isinstance(problem, SourceError)
        assert "AWS_ECR_ENDPOINT_URL" in str(problem)


@pytest.mark.usefixtures("url")
def test_an_id_that_is_missing_in_the_answer_is_said(aws: AWS) -> None:
    aws.inject(GET, body(answer(entry("000000000003"), entry("000000000001"))))
    got, problem = gather(ECRTokenSource("eu-west-1", ids(3)))
    assert got == ["000000000003", "000000000001"]
    assert "registry 000000000002: the answer holds no login" in str(problem)


@pytest.mark.usefixtures("url")
def test_an_answer_that_breaks_botocores_parser_loses_one_id_only(aws: AWS) -> None:
    aws.inject(GET, body(answer(*map(entry, ids(2)), entry("000000000003", expiresAt="soon"))), 1)
    aws.inject(GET, body(answer(entry("000000000001"))), 1)
    aws.inject(GET, body(answer(entry("000000000002"))), 1)
    aws.inject(GET, body(answer(entry("000000000003", expiresAt="soon"))), 1)
    got, problem = gather(ECRTokenSource("eu-west-1", ids(3)))
    assert got == ids(2)
    assert "000000000003" in str(problem)
    assert "password-of" not in "".join(traceback.format_exception(problem))


@pytest.mark.usefixtures("url")
def test_a_failure_that_is_not_about_ids_is_not_asked_one_by_one(aws: AWS) -> None:
    wanted = ids(40)
    for fault in (error("ThrottlingException"), error("ServerException", 500), reset):
        aws.heal()
        aws.calls.clear()
        aws.inject(GET, fault, 1)
        got, problem = gather(ECRTokenSource("eu-west-1", wanted))
        assert got == wanted[10:]
        assert wanted[0] in str(problem)
        assert len(asked(aws)) == 4
        # Twice in a row, and the rest is not even tried: each may take a minute.
        aws.heal()
        aws.calls.clear()
        aws.inject(GET, fault)
        got, problem = gather(ECRTokenSource("eu-west-1", wanted))
        assert got == []
        assert all(one in str(problem) for one in wanted)
        assert len(asked(aws)) == 2


@pytest.mark.usefixtures("url")
def test_several_reasons_are_all_told(aws: AWS) -> None:
    aws.inject(GET, error("ThrottlingException"), 1)
    aws.inject(GET, body(answer(*map(entry, ids(9, 11)))), 1)
    got, problem = gather(ECRTokenSource("eu-west-1", ids(20)))
    assert got == ids(9, 11)
    assert type(problem) is SourceError
    assert "throttles" in str(problem)
    assert "000000000020: the answer holds no login" in str(problem)
    assert problem.__cause__ is not None


def test_a_hanging_endpoint_is_given_up(aws: AWS, url: str) -> None:
    aws.inject(GET, hang)
    began = datetime.now(UTC)
    _, problem = gather(ECRTokenSource("eu-west-1", endpoint_url=url, read_timeout=0.2, connect_timeout=0.2))
    assert "AWS is not reached" in str(problem)
    assert datetime.now(UTC) - began < timedelta(seconds=30)


@pytest.mark.usefixtures("url")
def test_botocore_tries_again_by_itself(aws: AWS, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_MAX_ATTEMPTS", "3")
    aws.inject(GET, error("ThrottlingException"), 1)
    assert gather(ECRTokenSource("eu-west-1")) == (["123456789012"], None)
    assert len(asked(aws)) == 2


@pytest.mark.usefixtures("url")
def test_an_error_that_quotes_the_body_shows_nothing_of_it(aws: AWS) -> None:
    secret = "token-in-a-broken-answer"
    aws.inject(GET, body(b'{"message": "' + secret.encode() + b'\xff"', status=400))
    _, problem = gather(ECRTokenSource("eu-west-1"))
    assert problem is not None
    assert secret not in "".join(traceback.format_exception(problem))


@given(
    username=st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
)
def test_decoding_is_the_inverse_of_encoding(username: str, password: str) -> None:
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"authorizationToken": token, "expiresAt": NOW, "proxyEndpoint": "https://registry.example.com/"}
    read = read_token(login, None, timedelta(0), Secrets())
    assert (read.username, read.password) == (username, password)
    assert read.server_addresses == ("registry.example.com",)
    assert read.expires_at == NOW


@given(token=st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()) | st.none() | st.integers())
def test_decoding_raises_nothing_else_and_never_quotes(token: object) -> None:
    login = {"authorizationToken": token, "expiresAt": NOW, "proxyEndpoint": "https://registry.example.com"}
    try:
        read_token(login, None, timedelta(0), Secrets())
    except MalformedTokenError as problem:
        assert problem.__context__ is None  # noqa: PT017  # what did not raise is fine here
        known = {"the authorizationToken is no base64 of user:password", "the answer has no authorizationToken"}
        assert str(problem) in known  # noqa: PT017


def addresses(endpoint: str) -> tuple[str, ...]:
    login = entry("000000000001", proxyEndpoint=endpoint) | {"expiresAt": NOW}
    return read_token(login, read_host(login, SUFFIXES), timedelta(0), Secrets()).server_addresses


@pytest.mark.parametrize(
    ("forms"),
    [
        [
            "000000000001.dkr.ecr.us-gov-west-1.amazonaws.com",
            "000000000001.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "000000000001.dkr-ecr.us-gov-west-1.on.aws",
            "000000000001.dkr-ecr-fips.us-gov-west-1.on.aws",
        ],
        [
            "000000000001.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "000000000001.dkr.ecr-fips.cn-north-1.amazonaws.com.cn",
            "000000000001.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            "000000000001.dkr-ecr-fips.cn-north-1.on.amazonwebservices.com.cn",
        ],
        [
            "000000000001.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "000000000001.dkr.ecr-fips.eusc-de-east-1.amazonaws.eu",
        ],
        [
            "000000000001.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            "000000000001.dkr.ecr-fips.us-iso-east-1.c2s.ic.gov",
        ],
    ],
)
def test_one_registry_has_the_same_names_whichever_is_its_endpoint(forms: list[str]) -> None:
    for form in forms:
        for spelling in (f"https://{form}", f"http://{form.upper()}/", f"https://{form}:443"):
            found = addresses(spelling)
            assert found[0] == form
            assert sorted(found) == sorted(forms)
            assert [one for one in found if one != form] == [one for one in forms if one != form]


@pytest.mark.parametrize(
    "host",
    [
        "registry.example.com",
        "000000000001.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
        "000000000001.dkr.ecr.eu-west-1.amazonaws.com:8443",
        "00000000001.dkr.ecr.eu-west-1.amazonaws.com",
        "000000000001.dkr-ecr.eu-west-1.amazonaws.com",
        "000000000001.dkr.ecr.eu-west-1.on.aws",
        "000000000001.dkr.ecr.eu-west-1.api.aws",
        "127.0.0.1:5000",
    ],
)
def test_other_hosts_have_no_other_names(host: str) -> None:
    assert addresses(f"https://{host}") == (host,)


def test_partitions_are_those_that_botocore_knows(aws: AWS, url: str) -> None:
    endpoint = "https://000000000001.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk"
    aws.inject(GET, body(answer(entry("000000000001", proxyEndpoint=endpoint))))
    (token,) = ECRTokenSource("eu-isoe-west-1", ids(1), endpoint_url=url).tokens()
    assert token.server_addresses[1:] == ("000000000001.dkr.ecr-fips.eu-isoe-west-1.cloud.adc-e.uk",)


def test_expiry_is_on_this_machines_clock(clean_environment: pytest.MonkeyPatch) -> None:
    aws = AWS(clock_skew=timedelta(minutes=4))
    with aws.serve() as url:
        for name, value in aws.environment(url).items():
            clean_environment.setenv(name, value)
        (token,) = ECRTokenSource("eu-west-1").tokens()
        # The same with a clock of ours: what counts is the time from the answer's Date on.
        (other,) = ECRTokenSource("eu-west-1", now=lambda: NOW).tokens()
    assert abs(token.expires_at - datetime.now(UTC) - timedelta(hours=12)) < timedelta(seconds=30)
    assert abs(other.expires_at - NOW - timedelta(hours=12)) < timedelta(seconds=30)


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 24 Nov 2026 03:10:28 -0000", "Tue, 99 Nov 2026 03:10:28 GMT"])
def test_without_a_good_date_the_expiry_is_taken_as_it_is(date: str) -> None:
    assert clock_offset({"ResponseMetadata": {"HTTPHeaders": {"date": date}}}, NOW) == timedelta(0)
    assert clock_offset({}, NOW) == timedelta(0)


def test_an_expiry_at_the_end_of_time_stays() -> None:
    login = entry("000000000001") | {"expiresAt": datetime.max.replace(tzinfo=UTC)}
    assert read_token(login, None, timedelta(minutes=1), Secrets()).expires_at.year == 9999


@pytest.mark.usefixtures("clean_environment")
def test_an_expired_login_is_delivered_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    aws = AWS(token_lifetime=timedelta(minutes=-1))
    with aws.serve() as url, caplog.at_level(logging.WARNING, "rancher_ecr.sources.ecr"):
        (token,) = ECRTokenSource("eu-west-1", session=signed(aws.keys), endpoint_url=url).tokens()
    assert token.password == aws.passwords[0]
    assert caplog.messages == [
        "ecr eu-west-1: the login for 123456789012.dkr.ecr.eu-west-1.amazonaws.com has already expired"
    ]


@pytest.mark.usefixtures("url")
def test_proxy_hosts_get_logins_of_their_own() -> None:
    one, two, three = ids(3)
    source = ECRTokenSource(
        "eu-west-1", [one, two, three], proxy_hosts={None: ["Proxy.example.com/"], two: ["ecr", "a:5000", "a:5000"]}
    )
    tokens = list(source.tokens())
    assert [token.server_addresses[0] for token in tokens] == [
        "proxy.example.com",
        f"{two}.dkr.ecr.eu-west-1.amazonaws.com",
        "a:5000",
        "proxy.example.com",
    ]
    assert [len(token.server_addresses) for token in tokens] == [1, 4, 1, 1]
    assert tokens[1].password == tokens[2].password
    assert tokens[0].proxy_endpoint == f"https://{one}.dkr.ecr.eu-west-1.amazonaws.com"
    only = list(ECRTokenSource("eu-west-1", [one, two], proxy_hosts={two: ["proxy.example.com"]}).tokens())
    assert [token.server_addresses[0] for token in only] == [
        f"{one}.dkr.ecr.eu-west-1.amazonaws.com",
        "proxy.example.com",
    ]


@pytest.mark.usefixtures("url")
def test_a_role_is_assumed_with_the_base_credentials(aws: AWS) -> None:
    arn = "arn:aws:iam::000000000007:role/ci/puller"
    source = ECRTokenSource("eu-west-1", role_arn=arn, role_external_id="shake", role_session_name="me")
    assert gather(source) == (["000000000007"], None)
    assume, get = aws.calls
    assert assume.parameters["RoleArn"] == arn
    assert assume.parameters["ExternalId"] == "shake"
    assert assume.parameters["RoleSessionName"] == "me"
    assert (assume.access_key_id, assume.region) == (aws.keys.access_key_id, "eu-west-1")
    assert get.access_key_id.startswith("ASIA")
    assert gather(source) == (["000000000007"], None)
    assert aws.operations() == ["AssumeRole", GET, GET]


@pytest.mark.usefixtures("url")
def test_a_role_is_assumed_with_the_credentials_of_a_given_session(aws: AWS) -> None:
    keys = aws.issue_user_keys()
    source = ECRTokenSource("eu-west-1", role_arn="arn:aws:iam::000000000007:role/r", session=signed(keys))
    assert gather(source) == (["000000000007"], None)
    assert aws.calls[0].access_key_id == keys.access_key_id


@pytest.mark.usefixtures("url")
def test_a_role_that_cannot_be_assumed_fails_once_for_all_ids(aws: AWS) -> None:
    aws.inject("AssumeRole", error("AccessDenied", 403, "User is not authorized to perform: sts:AssumeRole"))
    source = ECRTokenSource("eu-west-1", ids(25), role_arn="arn:aws:iam::000000000007:role/r")
    got, problem = gather(source)
    assert got == []
    assert "sts:AssumeRole" in str(problem)
    assert all(one in str(problem) for one in ids(25))
    assert aws.operations() == ["AssumeRole"]
    aws.heal()
    assert gather(source) == (ids(25), None)


def test_tokens_seen_only_inside_the_chain_are_not_quoted_and_not_logged(
    aws: AWS, url: str, clean_environment: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = aws.issue_session()
    clean_environment.setenv("AWS_ACCESS_KEY_ID", session.access_key_id)
    clean_environment.setenv("AWS_SECRET_ACCESS_KEY", session.secret_access_key)
    clean_environment.setenv("AWS_SESSION_TOKEN", str(session.session_token))
    aws.inject("AssumeRole", error("InvalidClientTokenId", 403, f"The token {session.session_token} is invalid."))
    _, problem = gather(ECRTokenSource("eu-west-1", role_arn="arn:aws:iam::000000000007:role/r", endpoint_url=url))
    assert "The token *** is invalid" in str(problem)
    assert str(session.session_token) not in "".join(traceback.format_exception(problem))

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        clean_environment.delenv(name)
    (tmp_path / "token").write_text(aws.web_identity_token)
    clean_environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    clean_environment.setenv("AWS_ROLE_ARN", "arn:aws:iam::000000000007:role/r")
    refusal = error("InvalidIdentityToken", 400, f"The token {aws.web_identity_token} is invalid.")
    aws.inject("AssumeRoleWithWebIdentity", refusal)
    _, problem = gather(ECRTokenSource("eu-west-1", endpoint_url=url))
    assert "The token *** is invalid" in str(problem)
    assert aws.web_identity_token not in "".join(traceback.format_exception(problem))
    assert "mandatory refresh" in caplog.text  # botocore warns, with a traceback if it may
    assert not [secret for secret in aws.secrets if secret in caplog.text]


def test_a_key_replaced_in_its_file_is_found_at_once(
    aws: AWS, url: str, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean_environment.delenv("AWS_ACCESS_KEY_ID")
    clean_environment.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"

    def write(keys: Keys) -> None:
        file.write_text(
            f"[default]\naws_access_key_id={keys.access_key_id}\naws_secret_access_key={keys.secret_access_key}\n"
        )

    source = ECRTokenSource("eu-west-1", endpoint_url=url)
    got, problem = gather(source)
    assert got == []
    assert "no AWS credentials" in str(problem)
    assert "hop limit of 2" in str(problem)
    write(aws.keys)
    assert gather(source) == (["123456789012"], None)
    aws.revoke(aws.keys.access_key_id)
    got, problem = gather(source)
    assert got == []
    assert "AWS does not know these keys" in str(problem)
    write(aws.issue_user_keys())
    assert gather(source) == (["123456789012"], None)
    last, newest = aws.calls[-1].access_key_id, aws.issue_user_keys()
    write(newest)
    aws.revoke(last)
    assert gather(source) == (["123456789012"], None)
    assert [call.access_key_id for call in aws.calls[-2:]] == [last, newest.access_key_id]


def test_all_wrong_settings_are_told_at_once(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_RETRY_MODE", "sometimes")
    with pytest.raises(SettingsError) as caught:
        ECRTokenSource(
            "eu-west-1",
            ["12345", "123456789012", "12345678901x", "١٢٣٤٥٦٧٨٩٠١٢"],
            role_arn="my-role",
            role_external_id="ü",
            role_session_name="a b",
            endpoint_url="vpce.example.com",
            proxy_hosts={"7": ["a"], "000000000001": ["b"], None: ["a b"], "123456789012": []},
        )
    told = caught.value.problems
    for words in (
        "AWS_ECR_REGISTRY_IDS: '12345'",
        "AWS_ECR_REGISTRY_IDS: '12345678901x'",
        "AWS_ECR_REGISTRY_IDS: '١٢",
        "AWS_ROLE_ARN: 'my-role'",
        "AWS_ROLE_EXTERNAL_ID",
        "AWS_ROLE_SESSION_NAME: 'a b'",
        "AWS_ECR_ENDPOINT_URL: 'vpce.example.com'",
        "ECR_PROXY_HOST: '7'",
        "ECR_PROXY_HOST: account 000000000001",
        "ECR_PROXY_HOST: 'a b'",
        "ECR_PROXY_HOST: an account has no host",
        "AWS_RETRY_MODE",
    ):
        assert sum(words in problem for problem in told) == 1, words
    assert len(told) == 12
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("region", "said"), [(None, "AWS_REGION"), ("a,b", "AWS_REGION: 'a,b'"), ("eu west 1", "AWS_REGION: 'eu west 1'")]
)
@pytest.mark.usefixtures("clean_environment")
def test_a_wrong_region_names_the_variable(region: str | None, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ECRTokenSource(region)


def test_an_unknown_profile_is_a_wrong_setting(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_PROFILE", "nobody")
    for region in ("eu-west-1", None):
        with pytest.raises(SettingsError, match=r"AWS_PROFILE.*nobody"):
            ECRTokenSource(region)


@pytest.mark.usefixtures("clean_environment")
def test_a_user_name_in_the_endpoint_is_refused_without_quoting_it() -> None:
    with pytest.raises(SettingsError, match="AWS_ECR_ENDPOINT_URL") as caught:
        ECRTokenSource("eu-west-1", endpoint_url="https://me:hunter2hunter2@vpce.example.com")
    assert "hunter2" not in str(caught.value)


def test_a_broken_file_is_told_without_its_lines(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_secret_access_key hunter2hunter2\n")
    clean_environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    try:
        gather(ECRTokenSource(None))
    except SettingsError as problem:
        shown = "".join(traceback.format_exception(problem))
        assert "AWS_SHARED_CREDENTIALS_FILE" in shown
        assert "hunter2" not in shown
    else:
        pytest.fail("a broken file passed")


@pytest.mark.usefixtures("url")
def test_a_bug_of_ours_is_not_taken_for_a_failure_of_aws() -> None:
    def now() -> datetime:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        list(ECRTokenSource("eu-west-1", now=now).tokens())


@pytest.mark.usefixtures("url")
def test_a_portal_on_the_way_is_an_error(aws: AWS) -> None:
    aws.inject(GET, garbage)
    _, problem = gather(ECRTokenSource("eu-west-1"))
    assert isinstance(problem, MalformedTokenError)


def test_importing_the_package_of_sources_loads_no_botocore() -> None:
    code = "import sys, rancher_ecr.sources; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
