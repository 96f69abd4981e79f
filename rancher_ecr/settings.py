"""Every environment variable: its name, default, meaning and parsing. Nothing else reads the environment."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from attrs import field, frozen

from rancher_ecr._environ import Environ
from rancher_ecr.errors import SettingsError
from rancher_ecr.model import server_address
from rancher_ecr.stores._cattle_url import CattleURL, parse_cattle_url


@frozen
class Variable:
    """One environment variable, for `--help` and the documentation.

    Attributes:
        name: as it is set.
        default: what holds when it is unset or blank; empty for nothing.
        meaning: one line.
    """

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "CATTLE_URL", "required", "Rancher's address in any form: http://host:8080, .../v2-beta, .../v1/projects/1a5"
    ),
    Variable("CATTLE_ACCESS_KEY", "required", "the API key's access key"),
    Variable("CATTLE_SECRET_KEY", "required", "the API key's secret key"),
    Variable("CATTLE_ACCESS_KEY_FILE", "", "file that holds the access key (Rancher secrets: /run/secrets)"),
    Variable("CATTLE_SECRET_KEY_FILE", "", "file that holds the secret key"),
    Variable(
        "CATTLE_ENVIRONMENT_ACCESS_KEY",
        "",
        "an agent's key when its container has several roles; used without plain keys",
    ),
    Variable("CATTLE_ENVIRONMENT_SECRET_KEY", "", "its secret"),
    Variable("PLATFORM_URL", "", "PastureStack's name for CATTLE_URL; the three PLATFORM_ names win when all are set"),
    Variable("PLATFORM_ACCESS_KEY", "", "PastureStack's name for CATTLE_ACCESS_KEY"),
    Variable("PLATFORM_SECRET_KEY", "", "PastureStack's name for CATTLE_SECRET_KEY"),
    Variable("PLATFORM_ACCESS_KEY_FILE", "", "file that holds the access key"),
    Variable("PLATFORM_SECRET_KEY_FILE", "", "file that holds the secret key"),
    Variable("CATTLE_ENVIRONMENTS", "the key's one", "names or ids of environments, with commas, or * for all"),
    Variable("CATTLE_CA_BUNDLE", "the system's", "file of certificate authorities to trust for Rancher"),
    Variable("AWS_REGION", "botocore's own", "the registries' region, or several with commas"),
    Variable("AWS_ECR_REGISTRY_IDS", "the principal's account", "12-digit account ids, with commas"),
    Variable(
        "AWS_ROLE_ARN", "", "role to assume with the base credentials; with AWS_WEB_IDENTITY_TOKEN_FILE by web identity"
    ),
    Variable("AWS_ROLE_EXTERNAL_ID", "", "external id to assume the role with"),
    Variable("AWS_ROLE_SESSION_NAME", "", "session name to assume the role with"),
    Variable("AWS_ECR_ENDPOINT_URL", "", "ECR's endpoint; synonym of botocore's AWS_ENDPOINT_URL_ECR"),
    Variable(
        "ECR_PROXY_HOST", "", "hosts that get the login instead of ECR's own; commas; `ecr` for its own; account=host"
    ),
    Variable("AUTO_CREATE", "false", "create a registry or credential that is missing"),
    Variable("SYNC_INTERVAL", "6h", "at most this long between syncs: 90m, 1h30m, 6h"),
    Variable("VERIFY", "false", "ask each registry once a sync whether it accepts the login"),
    Variable("LISTEN_PORT", "8080", "port of /ping, /healthz, /readyz and /metrics; off for none"),
    Variable("LOG_LEVEL", "info", "panic, fatal, error, warn, info, debug or trace"),
    Variable("LOG_FORMAT", "text", "text or json"),
)

_LABELS = (
    "run the container with the labels io.rancher.container.create_agent: true and "
    "io.rancher.container.agent.role: environment"
)

# The old tools' level names are logrus's; Python has no trace and no panic.
LOG_LEVELS = {
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}

_ACCOUNT = re.compile(r"[0-9]{12}")
_LARGEST_PORT = 65535


@frozen(kw_only=True)
class Settings:
    """What the environment asks for, checked. Secrets are in no repr.

    Attributes:
        cattle_url: the Rancher API's address.
        access_key: the Rancher key's public part.
        secret_key: its secret part.
        environments: names or ids, or `*`; empty for the key's only one.
        ca_bundle: file to trust for Rancher; None for the system's.
        regions: of ECR; empty for botocore's own.
        registry_ids: of ECR; empty for the principal's account.
        role_arn: to be assumed by us; None also when botocore does it by web identity.
        role_external_id: for that role.
        role_session_name: for that role.
        ecr_endpoint_url: for ECR's client alone.
        proxy_hosts: hosts by account id, None for every account; see ECRTokenSource.
        auto_create: whether to create what is missing.
        sync_interval: the longest time between syncs.
        verify: whether to ask registries if they accept the login.
        listen_port: None for no listener.
        listen_port_asked: whether the port was set, and not the default.
        log_level: as the logging module has it.
        log_format: `text` or `json`.
    """

    cattle_url: CattleURL
    access_key: str
    secret_key: str = field(repr=False)
    environments: tuple[str, ...] = ()
    ca_bundle: str | None = None
    regions: tuple[str, ...] = ()
    registry_ids: tuple[str, ...] = ()
    role_arn: str | None = None
    role_external_id: str | None = None
    role_session_name: str | None = None
    ecr_endpoint_url: str | None = None
    proxy_hosts: Mapping[str | None, tuple[str, ...]] = field(factory=dict)
    auto_create: bool = False
    sync_interval: timedelta = timedelta(hours=6)
    verify: bool = False
    listen_port: int | None = 8080
    listen_port_asked: bool = False
    log_level: int = logging.INFO
    log_format: str = "text"

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str],
        *,
        read_file: Callable[[str], str] = lambda path: Path(path).read_text("utf-8-sig"),
    ) -> "Settings":
        """Read all settings; blank variables count as unset.

        Args:
            environ: the variables, such as `os.environ`.
            read_file: gives the text of a file by its path.

        Raises:
            SettingsError: with every problem there is.
        """
        env = Environ(environ, read_file)
        cattle_url, access_key, secret_key = _read_cattle(env)
        environments = env.items("CATTLE_ENVIRONMENTS")
        auto_create = env.boolean("AUTO_CREATE")
        if auto_create and "*" in environments:
            env.problem("AUTO_CREATE", "would create registries everywhere: name the environments, not * for all")
        settings = cls(
            cattle_url=cattle_url,
            access_key=access_key,
            secret_key=secret_key,
            environments=environments,
            ca_bundle=env.readable_file("CATTLE_CA_BUNDLE"),
            regions=env.items("AWS_REGION"),
            registry_ids=_read_registry_ids(env),
            role_arn=_read_role(env),
            role_external_id=env.get("AWS_ROLE_EXTERNAL_ID"),
            role_session_name=env.get("AWS_ROLE_SESSION_NAME"),
            ecr_endpoint_url=env.http_url("AWS_ECR_ENDPOINT_URL"),
            proxy_hosts=_read_proxy_hosts(env),
            auto_create=auto_create,
            sync_interval=env.duration("SYNC_INTERVAL", timedelta(hours=6), shortest=timedelta(minutes=1)),
            verify=env.boolean("VERIFY"),
            listen_port=_read_port(env),
            listen_port_asked="LISTEN_PORT" in env,
            log_level=LOG_LEVELS[env.choice("LOG_LEVEL", LOG_LEVELS, "info")],
            log_format=env.choice("LOG_FORMAT", ("text", "json"), "text"),
        )
        if env.problems:
            raise SettingsError(env.problems)
        return settings


def _read_cattle(env: Environ) -> tuple[CattleURL, str, str]:
    """Read the address and the key: PastureStack's names when they are there, else Cattle's."""
    names = ["PLATFORM_URL", "PLATFORM_ACCESS_KEY", "PLATFORM_SECRET_KEY"]
    there = [name for name in names if name in env or f"{name}_FILE" in env]
    if there and there != names:
        missing = [name for name in names if name not in there]
        env.problem(
            " and ".join(there),
            f"set without {' and '.join(missing)}: set all three PLATFORM_ names, or only the CATTLE_ ones",
        )
        return CattleURL(""), "", ""
    prefix = "PLATFORM" if there else "CATTLE"
    url = _read_cattle_url(env, f"{prefix}_URL")
    plain = (f"{prefix}_ACCESS_KEY", f"{prefix}_SECRET_KEY")
    # An agent with several roles has its environment's key under these names, and no plain one.
    agent = ("CATTLE_ENVIRONMENT_ACCESS_KEY", "CATTLE_ENVIRONMENT_SECRET_KEY")
    has_plain = any(name in env or f"{name}_FILE" in env for name in plain)
    pair = plain if has_plain or not any(name in env for name in agent) else agent
    access_key, secret_key = (_read_key(env, name) for name in pair)
    return url, access_key, secret_key


def _read_key(env: Environ, name: str) -> str:
    if name not in env and f"{name}_FILE" not in env:
        env.problem(name, f"is not set; give it, or {name}_FILE, or let Rancher make a key: {_LABELS}")
    return env.text_or_file(name) or ""


def _read_cattle_url(env: Environ, name: str) -> CattleURL:
    text = env.get(name)
    if text is not None:
        try:
            return parse_cattle_url(text)
        except ValueError as error:
            env.problem(name, str(error))
    elif "CATTLE_CONFIG_URL_SCHEME" in env or "CATTLE_CONFIG_URL_PORT" in env:
        # The node agent leaves CATTLE_URL out when its own is localhost, which no container could reach.
        env.problem(name, "is not set, since this host's agent knows Rancher as localhost; set it to Rancher's address")
    else:
        env.problem(name, f"is not set; give Rancher's address, or let Rancher set it: {_LABELS}")
    return CattleURL("")


def _read_registry_ids(env: Environ) -> tuple[str, ...]:
    ids = env.items("AWS_ECR_REGISTRY_IDS")
    for bad in (text for text in ids if not _ACCOUNT.fullmatch(text)):
        env.problem("AWS_ECR_REGISTRY_IDS", f"holds {bad!r}; an id is an account's 12 digits, leading zeros included")
    return ids


def _read_role(env: Environ) -> str | None:
    """Read the role to be assumed by us; with a web identity token botocore assumes it by itself."""
    if "AWS_ACCESS_KEY_ID" in env and "AWS_SECRET_ACCESS_KEY" not in env:
        env.problem("AWS_ACCESS_KEY_ID", "is set without AWS_SECRET_ACCESS_KEY; set both or none")
    if "AWS_SECRET_ACCESS_KEY" in env and "AWS_ACCESS_KEY_ID" not in env:
        env.problem("AWS_SECRET_ACCESS_KEY", "is set without AWS_ACCESS_KEY_ID; set both or none")
    role = env.get("AWS_ROLE_ARN")
    if role is None or "AWS_WEB_IDENTITY_TOKEN_FILE" not in env:
        return role
    if "AWS_ACCESS_KEY_ID" in env:  # botocore would silently ignore the web identity
        env.problem(
            "AWS_ACCESS_KEY_ID",
            "is set beside AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE: drop AWS_WEB_IDENTITY_TOKEN_FILE to assume "
            "the role with the key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to assume it by web identity",
        )
    return None


def _read_proxy_hosts(env: Environ) -> dict[str | None, tuple[str, ...]]:
    hosts: dict[str | None, tuple[str, ...]] = {}
    for item in env.items("ECR_PROXY_HOST"):
        account, equals, text = item.rpartition("=")
        host = "ecr" if text.strip().lower() == "ecr" else server_address(text)
        if not host or (equals and not _ACCOUNT.fullmatch(account.strip())):
            shown = "a user name or password" if "@" in item else repr(item)
            env.problem("ECR_PROXY_HOST", f"holds {shown}; use host, host:port, ecr, or 123456789012=host, with commas")
            continue
        key = account.strip() or None
        hosts[key] = (*hosts.get(key, ()), host)
    return hosts


def _read_port(env: Environ) -> int | None:
    text = env.get("LISTEN_PORT") or "8080"
    if text.lower() == "off":
        return None
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= _LARGEST_PORT:
        return int(text)
    env.problem("LISTEN_PORT", f"is {text!r}; use a port number, or off")
    return None
