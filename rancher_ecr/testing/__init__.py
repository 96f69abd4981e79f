"""For authors of stores and sources, and for the demo. Nothing of the product's own path may need it.

The doubles need the extra `testing`, the contracts need pytest; so each name is loaded when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rancher_ecr.testing.aws import AWS
    from rancher_ecr.testing.cattle import CattleSimulator, WSGIAdapter
    from rancher_ecr.testing.contracts import RegistryStoreContract, TokenSourceContract
    from rancher_ecr.testing.memory import MemoryStore

__all__ = [
    "AWS",
    "CattleSimulator",
    "MemoryStore",
    "RegistryStoreContract",
    "TokenSourceContract",
    "WSGIAdapter",
]

_HOMES = {
    "AWS": "aws",
    "CattleSimulator": "cattle",
    "MemoryStore": "memory",
    "RegistryStoreContract": "contracts",
    "TokenSourceContract": "contracts",
    "WSGIAdapter": "cattle",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
