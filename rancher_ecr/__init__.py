"""Keeps Amazon ECR logins in Rancher 1.x (Cattle, PastureStack) fresh.

A TokenSource gives AuthorizationTokens, a RegistryStore holds Registries, a Syncer joins them and returns a Report.
Importing this package loads neither botocore nor requests: the adapters in `rancher_ecr.sources` and
`rancher_ecr.stores` do, when they are imported.
"""

from rancher_ecr.errors import (
    MalformedTokenError,
    RancherECRError,
    RegistryMissingError,
    RegistryUnusableError,
    SettingsError,
    SourceError,
    StoreError,
    StoreResponseError,
    SyncError,
)
from rancher_ecr.model import AuthorizationToken, Change, Outcome, Registry, Report, server_address
from rancher_ecr.protocols import RegistryStore, TokenSource
from rancher_ecr.syncer import Syncer

__version__ = "0.1.0"

__all__ = [
    "AuthorizationToken",
    "Change",
    "MalformedTokenError",
    "Outcome",
    "RancherECRError",
    "Registry",
    "RegistryMissingError",
    "RegistryStore",
    "RegistryUnusableError",
    "Report",
    "SettingsError",
    "SourceError",
    "StoreError",
    "StoreResponseError",
    "SyncError",
    "Syncer",
    "TokenSource",
    "server_address",
]
