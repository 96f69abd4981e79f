"""Settings -> Syncer: the only file that picks concrete classes."""

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from urllib.parse import unquote, urlsplit

from rancher_ecr.errors import SettingsError
from rancher_ecr.redaction import Secrets
from rancher_ecr.schedule import Schedule
from rancher_ecr.service import Service
from rancher_ecr.settings import Settings
from rancher_ecr.sources.ecr import ECRTokenSource
from rancher_ecr.stores._cattle_api import CattleAPI
from rancher_ecr.stores._cattle_http import CattleHTTP
from rancher_ecr.stores.cattle_environments import CattleEnvironments
from rancher_ecr.syncer import Syncer
from rancher_ecr.verify import verify

_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def from_env(environ: MutableMapping[str, str] | None = None) -> Syncer:
    """Make a Syncer as the environment asks for, without any request.

    Blank AWS variables are removed from it: templates set them to nothing, and botocore, which reads the process's own
    environment, refuses a blank profile.

    Args:
        environ: the variables; the process's own when None.

    Raises:
        SettingsError: with every problem there is.
    """
    environ = os.environ if environ is None else environ
    drop_blank_aws_variables(environ)
    settings = read_settings(environ)
    return make_syncer(settings, known_secrets(environ, settings))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check all settings, botocore's part included.

    Raises:
        SettingsError: with every problem there is.
    """
    problems: list[str] = []
    try:
        settings = Settings.from_environ(environ)
    except SettingsError as error:
        problems += error.problems
        regions = [region.strip() for region in environ.get("AWS_REGION", "").split(",") if region.strip()]
        problems += _collect_sources(regions, ECRTokenSource)[1]
        raise SettingsError(problems) from None
    return settings


def _collect_sources(
    regions: Sequence[str], make: Callable[[str | None], ECRTokenSource]
) -> tuple[list[ECRTokenSource], list[str]]:
    """Make the source of each region, or botocore's own; return them, and what is wrong with any, each once."""
    sources, problems = [], dict[str, None]()
    for region in regions or (None,):
        try:
            sources.append(make(region))
        except SettingsError as error:
            problems.update(dict.fromkeys(error.problems))
    return sources, list(problems)


def make_syncer(settings: Settings, secrets: Secrets) -> Syncer:
    """Make a Syncer of settings, without any request.

    Args:
        settings: what was asked for.
        secrets: where the sources put what rotates, so that it can be scrubbed.

    Raises:
        SettingsError: botocore refuses a region, profile or role.
    """
    sources, problems = _collect_sources(
        settings.regions,
        lambda region: ECRTokenSource(
            region,
            settings.registry_ids,
            role_arn=settings.role_arn,
            role_external_id=settings.role_external_id,
            role_session_name=settings.role_session_name,
            endpoint_url=settings.ecr_endpoint_url,
            proxy_hosts=settings.proxy_hosts,
            secrets=secrets,
        ),
    )
    if problems:
        raise SettingsError(problems)
    url = settings.cattle_url
    http = CattleHTTP(
        url.origin,
        url.prefix,
        settings.access_key,
        settings.secret_key,
        ca_bundle=settings.ca_bundle,
        secrets=secrets,
    )
    stores = CattleEnvironments(
        CattleAPI(http, url.version), project_id=url.project_id, selection=settings.environments
    )
    return Syncer(sources, stores, create_missing=settings.auto_create)


def make_service(settings: Settings, secrets: Secrets) -> Service:
    """Make the service of settings, without any request.

    Raises:
        SettingsError: botocore refuses a region, profile or role.
    """
    syncer = make_syncer(settings, secrets)
    regions = ", ".join(source.name for source in syncer.sources)
    environments = settings.cattle_url.project_id or ", ".join(settings.environments) or "the key's own"
    return Service(
        syncer,
        schedule=Schedule(settings.sync_interval),
        verify=verify if settings.verify else None,
        secrets=secrets,
        about=f"{regions}; Rancher {settings.cattle_url.host}, environment {environments}",
    )


def known_secrets(environ: Mapping[str, str], settings: Settings) -> Secrets:
    """Collect the secrets that are known from the start, so that whatever quotes them can be scrubbed."""
    proxies = (environ.get(name) for variable in _PROXY_VARIABLES for name in (variable, variable.lower()))
    return Secrets(
        settings.secret_key,
        f"{settings.access_key}:{settings.secret_key}",
        *(environ.get(name) for name in _SECRET_VARIABLES),
        *(_password(proxy) for proxy in proxies if proxy),
    )


def drop_blank_aws_variables(environ: MutableMapping[str, str]) -> None:
    """Remove AWS variables that are set to nothing, and the one of requests that botocore reads too."""
    names = [name for name in environ if name.startswith("AWS_") or name == "REQUESTS_CA_BUNDLE"]
    for name in [name for name in names if not environ[name].strip()]:
        del environ[name]


def _password(url: str) -> str | None:
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password else None
