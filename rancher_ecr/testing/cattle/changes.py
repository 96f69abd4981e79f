"""What a write does: create, update, delete and actions, with the checks that come after the fields' own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from rancher_ecr.testing.cattle import bodies, schemas
from rancher_ecr.testing.cattle.bodies import View
from rancher_ecr.testing.cattle.schemas import Rejected, not_allowed
from rancher_ecr.testing.cattle.state import AVAILABLE, GONE, PREFIXES, Resource, new_key

if TYPE_CHECKING:
    from rancher_ecr.testing.cattle.wire import Cattle

ANSWERED_AT_ONCE: Final = (
    "deactivate",
    "delete",
    "setmembers",
    "defaultnetworkid",
    "upgrade",
)  # a project's: 200, not 202
PROCESSES: Final = ("activate", "deactivate", "remove", "purge", "update")


@frozen
class Order:
    """When a request arrived: its number, and the numbers of those still under way at that moment."""

    number: int
    underway: frozenset[int] = frozenset()

    def after(self, number: int) -> bool:
        """Whether another request had been answered when this one arrived."""
        return number < self.number and number not in self.underway


def create(cattle: Cattle, view: View, type_name: str, body: dict[str, Any], order: Order) -> Resource:
    """Create a row; raise Rejected."""
    state, policy = cattle.state, view.policy
    rules = schemas.fields(view.dialect, type_name, full=policy.full)
    try:
        values = schemas.written(rules, body, creating=True)
    except Rejected as rejected:
        if rejected.status == schemas.CONFLICT:
            state.next_id(PREFIXES[type_name])  # the row that its table did not take has used up an id
        raise
    account: str | None = policy.account_id
    if type_name == "registry":
        taken = state.addressed(policy.account_id, values["serverAddress"])
        # Two creates under way at once do not see each other: facts.md, "The check is racy".
        if any(not cattle.racy_creates or order.after(row.born) for row in taken):
            raise Rejected("ServerAddressUsed", None, status=400)
    elif type_name == "registryCredential":
        registry = state.rows.get(values["registryId"])
        known = registry is not None and registry.type == "registry"
        if registry is None or not known or (registry.account_id != policy.account_id and policy.kind not in TRUSTED):
            raise Rejected("InvalidReference", "registryId")
        values = {"publicValue": None, "secretValue": None, **values}
    elif type_name == "apiKey":
        access, secret = new_key()
        account = values.pop("accountId", None) or account
        values = {"publicValue": access, "secretValue": secret, **{k: v for k, v in values.items() if v is not None}}
        if values["publicValue"] in state.keys:
            raise Rejected("NotUnique", "publicValue")
    else:
        account = None
    row = state.add(type_name, account, values)
    row.born = order.number
    if type_name == "project":
        state.members[row.id] = {policy.user_id: "owner"}
    state.start(row, "create")
    return row


TRUSTED: Final = ("superadmin", "service")  # they may name another account's registry


def update(view: View, row: Resource, body: dict[str, Any]) -> None:
    """Write the fields that may be; raise Rejected. A removed row is written all the same (recordings 136)."""
    rules = schemas.fields(view.dialect, row.type, full=view.policy.full)
    row.values.update(schemas.written(rules, body, creating=False))


def delete(cattle: Cattle, row: Resource) -> None:
    """Remove a row when its state lets it, or raise 405; a removed one stays as it is (recordings 131, 150, 137)."""
    if row.state in GONE:
        return
    if "remove" not in AVAILABLE.get(row.state, ()):
        raise not_allowed()
    cattle.state.start(row, "remove")


def act(cattle: Cattle, view: View, row: Resource, action: str, body: dict[str, Any]) -> int:
    """Start an action and return the status; raise Rejected for no such action, or not now."""
    name = next((known for known in schemas.actions(view.dialect, row.type) if known.lower() == action.lower()), None)
    if name is None or name == "create":
        raise Rejected("InvalidAction", "action")
    if name not in bodies.available(view, row):
        raise Rejected("ActionNotAvailable", "action")
    if name in PROCESSES:
        cattle.state.start(row, name)
    elif name == "delete":
        cattle.state.start(row, "remove")
    elif name == "setmembers":
        members = body.get("members") or []
        cattle.state.members[row.id] = {member["externalId"]: member["role"] for member in members}
    return 200 if row.type == "project" and name.lower() in ANSWERED_AT_ONCE else 202
