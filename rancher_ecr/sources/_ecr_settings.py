"""What is wrong with the arguments of an ECR source, in the operator's words. Pure; nothing is asked of AWS in here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from rancher_ecr.model import server_address
from rancher_ecr.sources._aws_session import Role

OWN_ADDRESSES = "ecr"
"""The word among proxy hosts that means ECR's own addresses."""

ProxyHosts = Mapping[str | None, Sequence[str]]
"""Which hosts get an account's login instead of ECR's own addresses; the key None is every account without a key."""

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")  # a label of a host name, as botocore wants it
_ROLE_ARN = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[\x21-\x7e]+")
_ROLE_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


def region_problems(region: str) -> Iterator[str]:
    """Say why this is no region's name."""
    if "," in region:
        yield f"AWS_REGION: {region!r} are several regions; a source serves one, so make one for each"
    elif not region:
        yield "AWS_REGION: no region is set, neither there nor in AWS_DEFAULT_REGION or the profile; such as eu-west-1"
    elif not _REGION.fullmatch(region):
        yield f"AWS_REGION: {region!r} is no region's name; such as eu-west-1"


def registry_id_problems(registry_ids: Sequence[str]) -> Iterator[str]:
    """Name each id that is no account id."""
    for registry_id in registry_ids:
        if not _ACCOUNT_ID.fullmatch(registry_id):
            yield f"AWS_ECR_REGISTRY_IDS: {registry_id!r} is no account id: twelve digits, leading zeros included"


def role_problems(role: Role | None) -> Iterator[str]:
    """Say what is wrong with the role and its two companions."""
    if role is None:
        return
    if not _ROLE_ARN.fullmatch(role.arn):
        yield f"AWS_ROLE_ARN: {role.arn!r} is no role's ARN; such as arn:aws:iam::123456789012:role/name"
    if role.external_id and not _ROLE_EXTERNAL_ID.fullmatch(role.external_id):
        yield f"AWS_ROLE_EXTERNAL_ID: {role.external_id!r} is none; 2 to 1224 letters, digits and +=,.@:/-_"
    if role.session_name and not _ROLE_SESSION_NAME.fullmatch(role.session_name):
        yield f"AWS_ROLE_SESSION_NAME: {role.session_name!r} is none; 2 to 64 letters, digits and +=,.@-_"


def endpoint_problems(endpoint_url: str | None) -> Iterator[str]:
    """Say why this is no URL of a service. A user name in it is refused: error messages would show it."""
    if endpoint_url is None:
        return
    try:
        url = urlsplit(endpoint_url)
        good = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        good, url = False, urlsplit("")
    if "@" in endpoint_url:
        yield "AWS_ECR_ENDPOINT_URL: a user name or password in it is never sent; take it out"
    elif not good or url.query or url.fragment:
        yield f"AWS_ECR_ENDPOINT_URL: {endpoint_url!r} is no http(s) URL of a service; such as https://vpce.example.com"


def proxy_host_problems(proxy_hosts: ProxyHosts, registry_ids: Sequence[str]) -> Iterator[str]:
    """Name each account and host that cannot be meant."""
    for account, hosts in proxy_hosts.items():
        if account is not None and not _ACCOUNT_ID.fullmatch(account):
            yield f"ECR_PROXY_HOST: {account!r} is no account id: twelve digits"
        elif account is not None and registry_ids and account not in registry_ids:
            yield f"ECR_PROXY_HOST: account {account} is not among AWS_ECR_REGISTRY_IDS, so it has no login"
        if not hosts:
            yield "ECR_PROXY_HOST: an account has no host; such as 123456789012=registry.example.com"
        for host in hosts:
            if not server_address(host):
                yield f"ECR_PROXY_HOST: {host!r} is no host; such as registry.example.com"
