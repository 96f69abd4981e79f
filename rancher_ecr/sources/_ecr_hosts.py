"""The names that one ECR registry goes by. Pure text; what a login is may never enter here."""

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from rancher_ecr.model import server_address

_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr(?P<joint>[.-])ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z0-9.-]+)"
)
# The registries' dual-stack suffix is not the `dualStackDnsSuffix` of botocore's partition data, which is the APIs'.
_DUAL_STACK = {"amazonaws.com": "on.aws", "amazonaws.com.cn": "on.amazonwebservices.com.cn"}


@frozen
class RegistryHost:
    """One registry of ECR's own, whatever form of its name was seen."""

    account: str
    region: str
    dns_suffix: str

    def addresses(self) -> Sequence[str]:
        """Return the plain, FIPS and dual-stack names; the last two only where they are known."""
        account, region = self.account, self.region
        names = [f"{account}.dkr.ecr{fips}.{region}.{self.dns_suffix}" for fips in ("", "-fips")]
        if dual_stack := _DUAL_STACK.get(self.dns_suffix):
            names += [f"{account}.dkr-ecr{fips}.{region}.{dual_stack}" for fips in ("", "-fips")]
        return names


def registry_host(address: str, dns_suffixes: Iterable[str]) -> RegistryHost | None:
    """Read a normalised address as an ECR registry's; None when it is not of ECR's own form.

    Args:
        address: `host[:port]`, see `rancher_ecr.server_address`.
        dns_suffixes: the suffixes of all AWS partitions, such as `amazonaws.com`.
    """
    match = _HOST.fullmatch(address)
    if match is None:
        return None
    plain_of = {dual_stack: suffix for suffix, dual_stack in _DUAL_STACK.items()}
    suffix = plain_of.get(match["suffix"]) if match["joint"] == "-" else match["suffix"]
    return RegistryHost(match["account"], match["region"], suffix) if suffix in set(dns_suffixes) else None


def server_addresses(proxy_endpoint: str, host: RegistryHost | None) -> tuple[str, ...]:
    """Return the endpoint's own address first, then the other names of that registry."""
    others = host.addresses() if host else ()
    return tuple(dict.fromkeys([server_address(proxy_endpoint), *others]))
