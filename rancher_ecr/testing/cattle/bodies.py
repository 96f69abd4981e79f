"""Rows as JSON: links, actions, fields, as this role at this URL gets them. Reads the state, never changes it."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from attrs import frozen

from rancher_ecr.testing.cattle import schemas
from rancher_ecr.testing.cattle.keys import Policy
from rancher_ecr.testing.cattle.schemas import BASE_TYPES, INTERNAL, LINKS, SUPERADMIN_LINKS, TYPES, Dialect
from rancher_ecr.testing.cattle.state import AVAILABLE, Resource, State

PLURALS: Final = {
    "apiKey": "apikeys",
    "project": "projects",
    "registry": "registries",
    "registryCredential": "registrycredentials",
    "credential": "credentials",
    "storagePool": "storagepools",
    "schema": "schemas",
}
# What a list of a base type may create (recordings 075, 813).
CREATE_TYPES: Final = {
    "credential": {
        "apiKey": "apikeys",
        "password": "passwords",
        "registrationToken": "registrationtokens",
        "registryCredential": "registrycredentials",
    },
    "storagePool": {"registry": "registries"},
}
STORED_FIELDS: Final = {"registry": ("serverAddress",), "registryCredential": ("email",)}  # shown in `data` again
EMPTY_FIELDS: Final = {
    "registry": ("blockDevicePath", "driverName", "externalId", "volumeAccessMode", "volumeCapabilities"),
    "superadmin": (
        "agentId",
        "hostIds",
        "physicalTotalSizeMb",
        "storageDriverId",
        "virtualTotalSizeMb",
        "volumeIds",
    ),
}
PORT_RANGE: Final = {"startPort": 49153, "endPort": 65535}
OWNERS: Final = ("setmembers", "delete")


@frozen
class View:
    """From where and by whom a body is read."""

    state: State
    policy: Policy
    dialect: Dialect
    base: str  # scheme://host:port as links are to show it
    root: str  # base, version and the environment in the path

    @property
    def role(self) -> str:
        """The role that decides which types are linked: in an environment everyone sees what its own key sees."""
        return self.policy.role


def timestamp(moment: datetime) -> int:
    """Return milliseconds since 1970, as createdTS and removedTS give them."""
    return int(moment.timestamp() * 1000)


def stamp(moment: datetime) -> str:
    """Return a moment as Cattle writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def available(view: View, row: Resource) -> list[str]:
    """Return the actions a row offers now to this role."""
    offered = list(AVAILABLE.get(row.state, ())) if view.policy.acts(view.state, row) else []
    if row.type != "project":
        return offered
    if row.transitioning:
        offered = []
    if offered:
        offered += OWNERS
        if row.state == "active" and not view.dialect.legacy:
            offered.append("upgrade")
    known = schemas.actions(view.dialect, "project")
    return offered + [name for name in ("defaultNetworkId", "volumepreflight", "portpreflight") if name in known]


@cache
def _link_paths(type_name: str, *, superadmin: bool) -> tuple[tuple[str, str], ...]:
    names = LINKS[type_name] + (SUPERADMIN_LINKS.get(type_name, ()) if superadmin else ())
    return tuple((name, "/" + name.lower()) for name in names)


def resource(view: View, row: Resource, *, secret: bool = False) -> dict[str, Any]:
    """Return a row's body; `secret`: the answer to a POST, which shows the secret to everyone (facts.md, Writing)."""
    url = f"{view.root}/{PLURALS[row.type]}/{row.id}"
    links = {"self": url}
    if row.type == "project":
        links = _project_links(view, row, url)
    else:
        for name, path in _link_paths(row.type, superadmin=view.policy.role == "superadmin" and not view.policy.scoped):
            links[name] = url + path
    body: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "links": links,
        "actions": {name: f"{url}/?action={name.lower()}" for name in available(view, row)},
        "baseType": BASE_TYPES[row.type],
        "name": row.values.get("name"),
        "state": row.state,
    }
    if row.type != "project":
        body["accountId"] = row.account_id
    body["created"] = stamp(row.created)
    body["createdTS"] = timestamp(row.created)
    if view.policy.full:
        stored = {
            name: row.values[name] for name in STORED_FIELDS.get(row.type, ()) if row.values.get(name) is not None
        }
        body["data"] = {"fields": stored} if stored else {}
        body["removeTime"] = None
    body["description"] = row.values.get("description")
    body["kind"] = row.type
    body["removed"] = stamp(row.removed) if row.removed else None
    if row.removed:
        body["removedTS"] = timestamp(row.removed)
    body.update(_own_fields(view, row, secret=secret))
    body["transitioning"] = "yes" if row.transitioning else "no"
    body["transitioningMessage"] = "In Progress" if row.transitioning else None
    body["transitioningProgress"] = None
    body["uuid"] = row.uuid
    return body


def _own_fields(view: View, row: Resource, *, secret: bool) -> dict[str, Any]:
    superadmin = view.policy.role == "superadmin" and not view.policy.scoped
    if row.type == "registry":
        own = dict.fromkeys(EMPTY_FIELDS["registry"])
        if superadmin:
            own |= dict.fromkeys(EMPTY_FIELDS["superadmin"])
            own |= {"external": False, "zoneId": "1z1"}
        return {**own, "serverAddress": row.values["serverAddress"]}
    if row.type == "project":
        return _project_fields(view, row)
    own = {
        "publicValue": row.values["publicValue"],
        "secretValue": row.values["secretValue"] if secret or superadmin else None,
    }
    if row.type == "registryCredential":
        own["registryId"] = row.values["registryId"]
        if view.dialect.legacy:
            own["email"] = row.values.get("email")
    return own


def _project_links(view: View, row: Resource, url: str) -> dict[str, str]:
    links = {"self": url, "hostStats": f"{url}/projects/{row.id}/hoststats"}
    for name in schemas.link_names(view.dialect, view.policy.role):
        links[name] = f"{url}/{name.lower()}"
    return links


def _project_fields(view: View, row: Resource) -> dict[str, Any]:
    members = [
        {"type": "projectMember", "externalId": account, "externalIdType": "rancher_id", "role": role}
        for account, role in view.state.members.get(row.id, {}).items()
    ]
    own: dict[str, Any] = {
        "members": members or None,
        "servicesPortRange": {"type": "servicesPortRange", **PORT_RANGE},
        "virtualMachine": False,
    }
    if view.dialect.legacy:
        own |= dict.fromkeys(("kubernetes", "mesos", "publicDns", "swarm"), False)
    else:
        own |= {"healthState": "healthy", "orchestration": "cattle", "version": "2"}
        own |= dict.fromkeys(("defaultNetworkId", "hostRemoveDelaySeconds", "projectTemplateId"))
    if view.policy.full:
        shown = schemas.fields(view.dialect, "project", full=True)
        own |= {name: None for name in INTERNAL if name in shown}
        own |= {
            "allowSystemRole": False,
            "data": {"fields": {"orchestration": "cattle", "servicesPortRange": PORT_RANGE}},
        }
    return own


def api_version(view: View, version: str, url: str) -> dict[str, Any]:
    """Return the API's root."""
    links = {
        name: f"{view.base}/{version}/{name.lower()}" for name in schemas.link_names(view.dialect, view.policy.role)
    }
    links["self"] = url
    return {"id": version, "type": "apiVersion", "links": links, "actions": {}, "baseType": "apiVersion"}


def schema(view: View, type_name: str) -> dict[str, Any]:
    """Return one schema as it is published at this URL."""
    links = {"self": f"{view.root}/schemas/{type_name.lower()}", "collection": f"{view.root}/{PLURALS[type_name]}"}
    published = schemas.schema(view.dialect, type_name, view.policy)
    return {"id": type_name, "type": "schema", "links": links, "actions": {}, **published, "baseType": "schema"}


def schema_types(view: View) -> list[str]:
    """Return the types whose schemas this role is shown."""
    return [name for name in TYPES if view.policy.sees(name)]


def collection(view: View, type_name: str, url: str, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a list's body; `more`: pagination, sort and the like."""
    creatable = CREATE_TYPES.get(type_name, {})
    return {
        "type": "collection",
        "resourceType": type_name,
        "links": {"self": url},
        "createTypes": {name: f"{view.root}/{path}" for name, path in creatable.items()},
        "actions": {},
        "data": rows,
        "createDefaults": {},
        "sortLinks": {},
        "pagination": None,
        "sort": None,
        "filters": {},
        **more,
    }


def requery(url: str, query: str, **changed: str) -> str:
    """Return url with its query, some parameters replaced at the end."""
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in changed]
    return f"{url}?{urlencode([*kept, *changed.items()])}"
