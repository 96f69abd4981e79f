"""Who may do what: a key becomes a Policy, or a refusal; a Policy grants methods. Knows states, never bodies."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from attrs import frozen

from rancher_ecr.testing.cattle.state import Resource, State

READ: Final = ("GET",)
RESOURCE_METHODS: Final = ("GET", "PUT", "DELETE")
COLLECTION_METHODS: Final = ("GET", "POST")

ADMIN_ID: Final = "1a1"
FIRST: Final = "1a5"  # the environment every server starts with
OWN_IDS: Final = {"admin": ADMIN_ID, "superadmin": "1a3"}  # the accounts every server has
SEES_ALL: Final = ("admin", "superadmin", "service")  # every account's rows, and every environment
CORE: Final = ("environment", "superadmin", "service", "agent")  # roles that know the newer schemas, in v1 too
VISIBLE: Final = ("project", "registry", "registryCredential", "apiKey", "credential", "storagePool", "schema")


@frozen
class Policy:
    """What one request may do: as whom (`user_id`), on whose rows (`account_id`), with which role."""

    user_id: str
    account_id: str
    kind: str  # the header X-API-ACCOUNT-KIND
    role: str  # kind, or "readonly", or what an administrator asked for with ?_role=
    scoped: bool  # an environment was named in the path, a header or a parameter

    @property
    def core(self) -> bool:
        """Whether the role knows the newer schemas, whatever the version in the path."""
        return self.role in CORE and not (self.scoped and self.role in SEES_ALL)

    @property
    def full(self) -> bool:
        """Whether internal fields (`data`, `removeTime`) are shown."""
        return self.role in ("admin", "superadmin") and not self.scoped

    @property
    def everyone(self) -> bool:
        """Whether rows of every account are seen."""
        return self.role in SEES_ALL and not self.scoped

    def sees(self, type_name: str) -> bool:
        """Whether the type exists for this role at all: an agent without the label gets 404 for everything."""
        return type_name in VISIBLE and (self.role != "agent" or type_name == "schema")

    def methods(self, type_name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Methods on one resource, and on the collection (facts.md, "Keys and scope")."""
        if type_name == "project":
            writes = not self.scoped and self.role in ("admin", "user", "superadmin")
        elif type_name in ("registry", "registryCredential"):
            writes = self.role != "readonly" and (self.scoped or self.role not in ("admin", "user"))
        else:
            writes = type_name == "apiKey" and self.role != "readonly"
        return (RESOURCE_METHODS, COLLECTION_METHODS) if writes else (READ, READ)

    def acts(self, state: State, row: Resource) -> bool:
        """Whether the state's actions are offered on a row: not to read-only members, projects to owners only."""
        if row.type != "project":
            return self.role != "readonly"
        if self.role in ("admin", "superadmin"):
            return True
        return self.kind == "user" and state.members.get(row.id, {}).get(self.user_id) == "owner"


@frozen
class Refusal:
    """The key, or the environment it asks for, is not let in: 401 or 403."""

    status: int


def key_of(state: State, authorization: str) -> Resource | None:
    """Return the active key that a Basic Authorization header holds; None for anything else."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        access, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    key = state.keys.get(access)
    if key is None or key.state != "active":
        return None
    return key if hmac.compare_digest((key.values["secretValue"] or "").encode(), secret.encode()) else None


def identify(state: State, key: Resource) -> Policy | None:
    """Return the unscoped Policy of a key; None when its environment is not active."""
    account = state.accounts.get(key.account_id)
    if account is not None and account.kind != "agent":
        return Policy(account.id, account.id, account.kind, account.kind, scoped=False)
    acting = agent_kind(key) if account is not None else "project"
    if account is not None and acting == "agent":
        return Policy(account.id, account.id, acting, acting, scoped=False)
    project_id = key.values["project"] if account is not None else key.account_id
    project = state.rows.get(project_id)
    if project is None or project.state != "active":
        return None
    return Policy(project_id, project_id, acting, acting, scoped=False)


def agent_kind(key: Resource) -> str:
    """Return what an agent acts as: its environment, when the label names exactly the role that allows it."""
    role, system = key.values["role"], key.values["system"]
    if role == "environment":
        return "environment"
    return "projectadmin" if role == "environmentAdmin" and system else "agent"


def authenticate(state: State, authorization: str, *, enforced: bool) -> Policy | Refusal:
    """Return whom a request comes from. Not enforced, a wrong key is silently an administrator (recordings 187)."""
    key = key_of(state, authorization)
    policy = identify(state, key) if key is not None else None
    if policy is not None:
        return policy
    return Refusal(401) if enforced else Policy(ADMIN_ID, ADMIN_ID, "admin", "admin", scoped=False)


def enter(state: State, policy: Policy, project_id: str) -> Policy | Refusal:
    """Scope a policy to an environment: 403 unless it is active and the key's own, or its account's a member."""
    project = state.rows.get(project_id)
    if project is None or project.type != "project" or project.state != "active":
        return Refusal(403)
    role: str | None = policy.role
    if is_environment(state, policy):
        role = role if policy.account_id == project_id else None
    elif policy.kind not in SEES_ALL:
        membership = state.members.get(project_id, {}).get(policy.user_id)
        role = membership and ("readonly" if membership == "readonly" else role)
    if role is None:
        return Refusal(403)
    return Policy(policy.user_id, project_id, policy.kind, role, scoped=True)


def is_environment(state: State, policy: Policy) -> bool:
    """Whether the key is an environment's own, and so knows this one only."""
    return policy.user_id in state.rows


def projects(state: State, policy: Policy, *, everything: bool, enforced: bool) -> list[Resource]:
    """Return the environments a key lists: its own, its account's, or all (an administrator's ?all=true)."""
    rows = list(state.listed("project", None))
    if policy.scoped or is_environment(state, policy):
        return [row for row in rows if row.id == policy.account_id]
    if policy.kind in SEES_ALL and (everything or not enforced):
        return rows
    return [row for row in rows if is_member(state, policy, row.id)]


def is_member(state: State, policy: Policy, project_id: str) -> bool:
    """Whether an account is a member. The first administrator is one of the first environment, though not listed."""
    return policy.user_id in state.members.get(project_id, {}) or (policy.user_id, project_id) == (ADMIN_ID, FIRST)
