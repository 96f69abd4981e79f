"""A store of your own: Docker's config.json, one object that holds several hosts' logins and is replaced whole."""

import base64
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rancher_ecr import AuthorizationToken, Registry, StoreError, server_address


class DockerConfig:
    """A config.json as `docker login` writes it, without credential helpers.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"docker config {path}"
        self._path = path
        self._lock = threading.Lock()  # two hosts may be created at once, in one file

    def registries(self) -> Sequence[Registry]:
        """List every host that has a login."""
        return [Registry(server_address(address), address, ref=self._path) for address in self._read()["auths"]]

    def write(self, logins: Mapping[Registry, AuthorizationToken]) -> None:
        """Replace the file, keeping what it says of other hosts."""
        self._login({registry.address: token for registry, token in logins.items()})

    def create(self, server_address: str, token: AuthorizationToken) -> None:
        """Add a host."""
        self._login({server_address: token})

    def _read(self) -> dict[str, Any]:
        try:
            config = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._path} cannot be read; is it JSON? ({type(error).__name__})") from None
        config.setdefault("auths", {})
        return dict(config)

    def _login(self, tokens: Mapping[str, AuthorizationToken]) -> None:
        with self._lock:
            config = self._read()
            for address, token in tokens.items():
                auth = base64.b64encode(f"{token.username}:{token.password}".encode()).decode()
                config["auths"][address] = {"auth": auth}
            self._replace(json.dumps(config, indent=2))

    def _replace(self, text: str) -> None:
        new = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            new.replace(self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from None
