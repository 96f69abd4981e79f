"""Types as Cattle publishes them: fields, lengths, what a role sees of them, and whether a value may be written."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

from attrs import frozen

from rancher_ecr.testing.cattle.keys import Policy

Engine = Literal["rancher", "pasturestack"]

TYPES: Final = ("apiKey", "project", "registry", "registryCredential")
BASE_TYPES: Final = {
    "apiKey": "credential",
    "project": "account",
    "registry": "storagePool",
    "registryCredential": "credential",
}
LINKS: Final = {
    "apiKey": ("account", "certificate", "images", "instances"),
    "registry": ("account", "credentials", "hosts", "images", "volumes"),
    "registryCredential": ("account", "images", "instances", "registry"),
}
# What the superadmin alone is shown beyond that.
SUPERADMIN_LINKS: Final = {
    "registry": ("imageStoragePoolMaps", "storagePoolHostMaps", "volumeStoragePoolMaps", "zone"),
    "registryCredential": ("credentialInstanceMaps",),
}
INTERNAL: Final = ("data", "removeTime", "allowSystemRole", "projectLinks")  # fields for administrators only
ADMIN_CREATES: Final = {"apiKey": ("accountId", "publicValue", "secretValue"), "project": ("uuid",)}
LONG_SECRET: Final = 16_777_215  # PastureStack's v2-beta; the column under it still holds 4096
COLUMN: Final = 4096
CONFLICT: Final = 409


@frozen
class Rejected(Exception):  # noqa: N818 -- an answer of the server, no failure of the simulator
    """The server says no: a status with a code, and the field's name when one is to blame."""

    code: str
    field: str | None
    status: int = 422


def not_found() -> Rejected:
    """Return what is raised for a row, type or link that is not there for this key."""
    return Rejected("Not Found", None, 404)


def not_allowed() -> Rejected:
    """Return what is raised for a method that this key does not have here."""
    return Rejected("Method not allowed", None, 405)


@frozen
class Dialect:
    """Which set of schemas answers: Rancher's v1 has its own, all else shares one (facts.md, PastureStack)."""

    engine: Engine
    version: str
    legacy: bool

    @property
    def long_secret(self) -> bool:
        """Whether secretValue is announced as 16 MB long."""
        return self.engine == "pasturestack" and self.version == "v2-beta"


def dialect(engine: Engine, version: str, policy: Policy) -> Dialect:
    """Return the dialect for a request; some roles know the newer schemas only, in v1 too."""
    effective = "v2-beta" if policy.core else version
    return Dialect(engine, effective, legacy=engine == "rancher" and effective == "v1")


@cache
def published() -> dict[str, Any]:
    """Return the schemas and link names as measured, in the form an administrator gets them."""
    text = resources.files(__package__).joinpath("schemas.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    data["current"]["schemas"].setdefault("apiKey", data["legacy"]["schemas"]["apiKey"])
    return data


@cache
def link_names(used: Dialect, role: str) -> tuple[str, ...]:
    """Return the types a role is shown as links of the API's root and of a project."""
    data = published()
    names = data["legacy" if used.legacy else "current"]["links"]
    everyone, admin = names["everyone"].split(), names["admin"].split()
    if used.engine == "pasturestack":
        everyone += data["pasturestack"]["links"]["everyone"].split()
        admin += data["pasturestack"]["links"]["admin"].split()
    if role == "agent":
        return ("schemas",)
    secrets = [] if used.legacy or role in ("environment", "projectadmin") else ["secrets"]
    if role in ("admin", "superadmin"):
        return (*everyone, *secrets, "userPreferences", *admin)
    return (*everyone, *secrets, "subscribe" if role != "user" else "userPreferences")


@cache
def fields(used: Dialect, type_name: str, *, full: bool) -> dict[str, dict[str, Any]]:
    """Return a type's fields and their rules, as `resourceFields` publishes them."""
    schema = published()["legacy" if used.legacy else "current"]["schemas"][type_name]
    shown = {}
    for name, published_rule in schema["resourceFields"].items():
        if name in INTERNAL and not full:
            continue
        rule = {"description": None, **published_rule}
        if name in ADMIN_CREATES.get(type_name, ()) and not full:
            rule["create"] = False
        if name == "secretValue" and used.long_secret:
            rule["maxLength"] = LONG_SECRET
        shown[name] = rule
    return shown


@cache
def filters(used: Dialect, type_name: str) -> dict[str, tuple[str, ...]]:
    """Return the fields a list can be filtered by, with their modifiers; any other is silently ignored."""
    schema = published()["legacy" if used.legacy else "current"]["schemas"][type_name]
    return {name: tuple(modifiers.split()) for name, modifiers in schema["collectionFilters"].items()}


def actions(used: Dialect, type_name: str) -> dict[str, Any]:
    """Return a type's actions, available now or not."""
    schema = published()["legacy" if used.legacy else "current"]["schemas"][type_name]
    known: dict[str, Any] = dict(schema["resourceActions"])
    if type_name == "project" and used.long_secret:
        known["volumepreflight"] = {"input": "volumePreflightInput", "output": "volumePreflightResult"}
        known["portpreflight"] = {"input": "portPreflightInput", "output": "portPreflightResult"}
    return known


def schema(used: Dialect, type_name: str, policy: Policy) -> dict[str, Any]:
    """Return one schema without id and links, as it is published to this role."""
    raw = published()["legacy" if used.legacy else "current"]["schemas"][type_name]
    resource_methods, collection_methods = policy.methods(type_name)
    includeable = raw["includeableLinks"].split()
    if type_name == "project" and not policy.full:
        visible = {name.lower() for name in link_names(used, "project" if policy.scoped else policy.role)}
        hidden = {name.lower() for name in (*link_names(used, "admin"), "userpreferences")} - visible
        includeable = [name for name in includeable if name.lower() not in hidden]
    return {
        "pluralName": raw["pluralName"],
        "resourceFields": fields(used, type_name, full=policy.full),
        "collectionFilters": {name: {"modifiers": list(known)} for name, known in filters(used, type_name).items()},
        "includeableLinks": includeable,
        "resourceActions": actions(used, type_name),
        "collectionActions": {},
        "collectionFields": {},
        "resourceMethods": list(resource_methods),
        "collectionMethods": list(collection_methods),
    }


def written(rules: dict[str, dict[str, Any]], body: dict[str, Any], *, creating: bool) -> dict[str, Any]:
    """Return the values of a body that may be written, or raise Rejected for the first bad one.

    What a role may not write is dropped in silence (recordings 057, 060, 081). Lengths and blanks are judged in the
    order in which the schema lists its fields (recordings 175).
    """
    values: dict[str, Any] = {}
    for name, rule in rules.items():
        if not rule["create" if creating else "update"]:
            continue
        if name not in body:
            if creating and rule.get("required"):
                raise Rejected("MissingRequired", name)
            continue
        value = converted(body[name], rule)
        if value is None:
            if rule["type"] == "password" and not creating:
                continue  # null keeps the secret, though it clears publicValue (recordings 084)
            if not rule.get("nullable"):
                raise Rejected("NotNullable", name)
        if isinstance(value, str):
            check_length(name, value, rule)
        values[name] = value
    return values


def check_length(name: str, value: str, rule: dict[str, Any]) -> None:
    """Raise Rejected for a text that is too short or too long, or that the column under it does not hold."""
    if len(value) < rule.get("minLength", 0):
        raise Rejected("MinLengthExceeded", name)
    if rule["type"].startswith("reference"):
        return
    if len(value) > rule.get("maxLength", len(value)):
        raise Rejected("MaxLengthExceeded", name)
    if rule.get("maxLength") == LONG_SECRET and rule["type"] == "password" and len(value) > COLUMN:
        raise Rejected("Conflict", None, status=CONFLICT)


def converted(value: Any, rule: dict[str, Any]) -> Any:
    """Return a value in its field's type: numbers become text (recordings 051), of a list the first item counts."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or (rule["type"] not in ("string", "password") and not rule["type"].startswith("reference")):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else str(value)
