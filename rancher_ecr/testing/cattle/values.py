"""What the simulator hands out: keys, and rows as they stand. Secrets have no repr."""

from __future__ import annotations

from attrs import field, frozen


@frozen
class Key:
    """An API key: user name and password of HTTP Basic auth."""

    access: str
    secret: str = field(repr=False)


@frozen
class StoredRegistry:
    """A registry as the server holds it."""

    id: str
    server_address: str
    state: str
    removed: bool = False


@frozen
class StoredCredential:
    """A registry's login as the server holds it."""

    id: str
    registry_id: str
    username: str | None
    password: str | None = field(repr=False)
    state: str = "active"
    email: str | None = None
    removed: bool = False
