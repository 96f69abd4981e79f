import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rancher_ecr import SettingsError
from rancher_ecr.settings import VARIABLES, Settings
from rancher_ecr.stores._cattle_url import CattleURL, parse_cattle_url

PLAIN = {"CATTLE_URL": "http://rancher:8080", "CATTLE_ACCESS_KEY": "AK", "CATTLE_SECRET_KEY": "SECRET-KEY"}
PLATFORM = {"PLATFORM_URL": "https://pasture", "PLATFORM_ACCESS_KEY": "PAK", "PLATFORM_SECRET_KEY": "PSK"}


def read(**variables: str) -> Settings:
    return Settings.from_environ({**PLAIN, **variables})


def problems(variables: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(variables)
    return caught.value.problems


def test_defaults() -> None:
    settings = read()
    assert settings.cattle_url == CattleURL("http://rancher:8080")
    assert (settings.access_key, settings.secret_key) == ("AK", "SECRET-KEY")
    assert settings.sync_interval == timedelta(hours=6)
    assert (settings.listen_port, settings.listen_port_asked) == (8080, False)
    assert (settings.log_level, settings.log_format) == (logging.INFO, "text")
    assert settings.regions == settings.registry_ids == settings.environments == ()
    assert not settings.auto_create
    assert not settings.verify


def test_blank_variables_count_as_unset() -> None:
    blank = {variable.name: " " for variable in VARIABLES}
    assert Settings.from_environ({**blank, **PLAIN}) == read()


def test_the_secret_is_in_no_repr() -> None:
    assert "SECRET-KEY" not in repr(read()) + str(read())


@pytest.mark.parametrize("version", ["v1", "v2-beta"])
@pytest.mark.parametrize("tail", ["", "/", "/schemas", "/schemas/"])
@pytest.mark.parametrize("project", [None, "1a5"])
@pytest.mark.parametrize("prefix", ["", "/rancher", "/a/b"])
def test_every_form_of_cattle_url(version: str, tail: str, project: str | None, prefix: str) -> None:
    scope = f"/projects/{project}" if project else ""
    text = f"https://Rancher.example.com:8443{prefix}/{version}{scope}{tail}"
    assert parse_cattle_url(text) == CattleURL("https://rancher.example.com:8443", prefix, version, project)


@pytest.mark.parametrize("text", ["http://h:8080", "http://h:8080/", "HTTP://h:8080//"])
def test_cattle_url_without_version(text: str) -> None:
    assert parse_cattle_url(text) == CattleURL("http://h:8080")


@pytest.mark.parametrize(
    "text",
    [
        "rancher:8080",
        "ftp://h",
        "http://",
        "http://u:hunter22@h",
        "http://h:port",
        "http://h/v3",
        "http://h/v1/registries",
        "http://[::1",
    ],
)
def test_a_wrong_cattle_url_names_the_variable_and_shows_no_password(text: str) -> None:
    (problem,) = problems({**PLAIN, "CATTLE_URL": text})
    assert problem.startswith("CATTLE_URL ")
    assert "hunter22" not in problem


@given(st.text())
def test_reading_a_url_raises_value_error_alone(text: str) -> None:
    try:
        url = parse_cattle_url(text)
    except ValueError:
        return
    assert url.origin.startswith("http")


def test_the_platform_names_win_when_all_three_are_set() -> None:
    settings = Settings.from_environ({**PLAIN, **PLATFORM})
    assert settings.cattle_url == CattleURL("https://pasture")
    assert (settings.access_key, settings.secret_key) == ("PAK", "PSK")


@pytest.mark.parametrize("left_out", sorted(PLATFORM))
def test_a_mixture_of_names_is_an_error_that_names_what_lacks(left_out: str) -> None:
    mixture = {name: value for name, value in {**PLAIN, **PLATFORM}.items() if name != left_out}
    (problem,) = problems(mixture)
    assert left_out in problem


def test_the_key_of_an_agent_with_several_roles_serves_without_plain_keys() -> None:
    agent = {"CATTLE_ENVIRONMENT_ACCESS_KEY": "EAK", "CATTLE_ENVIRONMENT_SECRET_KEY": "ESK"}
    settings = Settings.from_environ({"CATTLE_URL": "http://h", **agent})
    assert (settings.access_key, settings.secret_key) == ("EAK", "ESK")
    assert read(**agent).access_key == "AK"


def test_keys_from_files(tmp_path: Path) -> None:
    for name in ("access", "secret"):
        (tmp_path / name).write_text(f"from-{name}\n")
    files = {"CATTLE_ACCESS_KEY_FILE": str(tmp_path / "access"), "CATTLE_SECRET_KEY_FILE": str(tmp_path / "secret")}
    settings = Settings.from_environ({"CATTLE_URL": "http://h", **files})
    assert (settings.access_key, settings.secret_key) == ("from-access", "from-secret")
    platform = {
        "PLATFORM_URL": "http://p",
        **{name.replace("CATTLE", "PLATFORM"): path for name, path in files.items()},
    }
    assert Settings.from_environ(platform).secret_key == "from-secret"


def test_wrong_key_files(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    base = {"CATTLE_URL": "http://h", "CATTLE_ACCESS_KEY": "AK"}
    for path in (tmp_path / "empty", tmp_path / "missing", tmp_path):
        found = problems({**base, "CATTLE_SECRET_KEY_FILE": str(path)})
        assert any(problem.startswith("CATTLE_SECRET_KEY_FILE ") for problem in found)
    assert problems({**PLAIN, "CATTLE_SECRET_KEY_FILE": "/x"})[0].startswith(
        "CATTLE_SECRET_KEY and CATTLE_SECRET_KEY_FILE"
    )


def test_nothing_set_says_everything_that_lacks() -> None:
    found = problems({})
    assert [problem.split()[0] for problem in found] == ["CATTLE_URL", "CATTLE_ACCESS_KEY", "CATTLE_SECRET_KEY"]
    assert all("io.rancher.container.agent.role" in problem for problem in found)


def test_an_agent_registered_at_localhost_gets_a_remedy() -> None:
    (problem,) = problems({k: v for k, v in PLAIN.items() if k != "CATTLE_URL"} | {"CATTLE_CONFIG_URL_PORT": "8080"})
    assert "localhost" in problem


def test_all_problems_are_collected() -> None:
    wrong = {
        "AWS_ECR_REGISTRY_IDS": "123,000000000001,abc",
        "AUTO_CREATE": "maybe",
        "SYNC_INTERVAL": "soon",
        "LISTEN_PORT": "http",
        "LOG_LEVEL": "loud",
        "LOG_FORMAT": "xml",
        "VERIFY": "2",
        "ECR_PROXY_HOST": "12=proxy,a b",
        "CATTLE_CA_BUNDLE": "/does/not/exist",
        "AWS_ECR_ENDPOINT_URL": "localhost",
        "AWS_ACCESS_KEY_ID": "AKIA",
    }
    found = problems({**PLAIN, **wrong})
    assert {problem.split()[0] for problem in found} == set(wrong)
    assert sum("AWS_ECR_REGISTRY_IDS" in problem for problem in found) == 2
    assert "'123'" in "".join(found)
    assert "'abc'" in "".join(found)


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True", "yes", "on"])
def test_true(text: str) -> None:
    assert read(AUTO_CREATE=text).auto_create


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False", "no", "off", ""])
def test_false(text: str) -> None:
    assert not read(AUTO_CREATE=text).auto_create


def test_auto_create_wants_named_environments() -> None:
    assert read(AUTO_CREATE="true", CATTLE_ENVIRONMENTS="Default, 1a7").environments == ("Default", "1a7")
    assert problems({**PLAIN, "AUTO_CREATE": "true", "CATTLE_ENVIRONMENTS": "*"})[0].startswith("AUTO_CREATE ")


def test_lists_forgive_blanks_and_repeats_and_keep_leading_zeros() -> None:
    settings = read(AWS_ECR_REGISTRY_IDS=" 000000000001 ,,123456789012,000000000001", AWS_REGION="us-east-1, eu-west-1")
    assert settings.registry_ids == ("000000000001", "123456789012")
    assert settings.regions == ("us-east-1", "eu-west-1")


def test_proxy_hosts() -> None:
    settings = read(ECR_PROXY_HOST="https://Proxy.example.com/, ECR, 000000000001=other:5000, 000000000001=ecr")
    assert settings.proxy_hosts == {None: ("proxy.example.com", "ecr"), "000000000001": ("other:5000", "ecr")}


@pytest.mark.parametrize(("text", "seconds"), [("6h", 21600), ("90m", 5400), ("1h30m", 5400), ("90s", 90)])
def test_intervals(text: str, seconds: int) -> None:
    assert read(SYNC_INTERVAL=text).sync_interval == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["59s", "0", "3600", "-6h", "h", "9" * 40 + "h", "9" * 5000 + "s"])
def test_wrong_intervals(text: str) -> None:
    assert problems({**PLAIN, "SYNC_INTERVAL": text})[0].startswith("SYNC_INTERVAL ")


def test_listen_port() -> None:
    assert read(LISTEN_PORT="off").listen_port is None
    asked = read(LISTEN_PORT="8080")
    assert (asked.listen_port, asked.listen_port_asked) == (8080, True)
    assert problems({**PLAIN, "LISTEN_PORT": "65536"})[0].startswith("LISTEN_PORT ")


@pytest.mark.parametrize("name", ["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace", "INFO"])
def test_the_old_tools_log_levels(name: str) -> None:
    assert logging.DEBUG <= read(LOG_LEVEL=name).log_level <= logging.CRITICAL


def test_a_role_is_ours_or_botocores() -> None:
    role = {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
        "AWS_ROLE_EXTERNAL_ID": "id",
        "AWS_ROLE_SESSION_NAME": "n",
    }
    ours = read(**role)
    assert (ours.role_arn, ours.role_external_id, ours.role_session_name) == (role["AWS_ROLE_ARN"], "id", "n")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}
    assert read(**role, **web).role_arn is None
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    assert read(**role, **keys).role_arn == role["AWS_ROLE_ARN"]
    (problem,) = problems({**PLAIN, **role, **web, **keys})
    assert "drop" in problem


@given(
    st.dictionaries(
        st.sampled_from([variable.name for variable in VARIABLES]),
        st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_any_environment_gives_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    def refuse(path: str) -> str:
        raise OSError(2, "no such file", path)

    names = {variable.name for variable in VARIABLES}
    found: tuple[str, ...] = ()
    try:
        assert Settings.from_environ({**PLAIN, **environ}, read_file=refuse).cattle_url.origin
    except SettingsError as error:
        found = error.problems
    assert all(problem.split()[0] in names for problem in found)


def test_no_problem_shows_a_secret() -> None:
    told = problems(
        {
            **PLAIN,
            "ECR_PROXY_HOST": "http://u:hunter22@h",
            "CATTLE_SECRET_KEY": "",
            "CATTLE_SECRET_KEY_FILE": "the-key-itself",
        }
    )
    assert len(told) == 2
    assert "hunter22" not in str(told)
    assert "the-key-itself" not in str(told)


def test_the_bare_server_with_schemas() -> None:
    assert parse_cattle_url("http://h:8080/schemas") == CattleURL("http://h:8080")
