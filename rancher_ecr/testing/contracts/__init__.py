"""What protocols.py promises, as pytest classes: a five-line subclass proves a store or a source. They need pytest."""

from rancher_ecr.testing.contracts.source import TokenSourceContract
from rancher_ecr.testing.contracts.store import Login, RegistryStoreContract

__all__ = ["Login", "RegistryStoreContract", "TokenSourceContract"]
