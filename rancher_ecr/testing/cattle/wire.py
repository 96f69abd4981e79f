"""One request to one answer: addressing, keys, methods, in the order in which Cattle checks them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from attrs import define, evolve, field

from rancher_ecr.testing.cattle import bodies, changes, keys, listing, message, schemas
from rancher_ecr.testing.cattle.bodies import PLURALS, View
from rancher_ecr.testing.cattle.keys import Policy, Refusal
from rancher_ecr.testing.cattle.message import Answer, Incoming
from rancher_ecr.testing.cattle.schemas import BASE_TYPES, Engine, Rejected, not_allowed, not_found
from rancher_ecr.testing.cattle.state import Resource, State

VERSIONS: Final = ("v1", "v2-beta")
NAMES: Final = {name: type_name for type_name, plural in PLURALS.items() for name in (plural, type_name.lower())}
BEFORE_LOGIN: Final = ("POST", "PUT", "PATCH")  # their bodies are read before the key is looked at (recordings 180)


@define
class Cattle:
    """The server: `answer` takes a request, and the order in which it came among the others."""

    engine: Engine
    access_control: bool
    racy_creates: bool
    state: State

    def answer(self, request: Incoming, order: changes.Order) -> Answer:
        """Answer a request."""
        if request.path == "/ping":
            kind = "text/plain" if self.engine == "rancher" else "text/plain;charset=iso-8859-1"
            return Answer(200, (("Content-Type", kind),), b"pong\n")
        if self.engine == "pasturestack":
            if not message.HOST.fullmatch(request.headers.get("host", "")):
                return message.plain_error(400, "Bad Host header", request)
            if "//" in request.path:
                return message.plain_error(400, "Ambiguous URI empty segment", request)
        version, *segments = request.path.removeprefix("/").removesuffix("/").split("/")
        if version not in VERSIONS and request.path != "/":
            return message.no_api(self.engine, request)
        return _Exchange(self, request, order, version or "v1", segments).answer()


@define
class _Exchange:
    """A request on its way through the server."""

    cattle: Cattle
    request: Incoming
    order: changes.Order
    version: str
    segments: list[str]
    body: dict[str, Any] = field(factory=dict, repr=False)
    identity: tuple[tuple[str, str], ...] = ()
    scope: str = ""

    def answer(self) -> Answer:
        if len(self.segments) > 2 and NAMES.get(self.segments[0].lower()) == "project":  # noqa: PLR2004
            self.scope = f"/projects/{self.segments[1]}"
        if self.request.method in BEFORE_LOGIN:
            try:
                self.body = message.content(self.request)
            except ValueError:
                return self.refuse(400, "InvalidBodyContent")
        state = self.cattle.state
        enforced = self.cattle.access_control or self.header("x-enforce-authentication").lower() == "true"
        policy = keys.authenticate(state, self.header("authorization"), enforced=enforced)
        project = unquote(self.segments[1]) if self.scope else self.named_project()
        if isinstance(policy, Policy) and project:
            policy = keys.enter(state, policy, project)
        if isinstance(policy, Refusal):
            return self.refuse(policy.status)
        self.identity = (
            ("X-API-ACCOUNT-ID", policy.account_id),
            ("X-API-USER-ID", policy.user_id),
            ("X-API-ACCOUNT-KIND", policy.kind),
        )
        asked_role = self.request.parameter("_role")
        if asked_role and policy.kind in ("admin", "superadmin"):
            policy = evolve(policy, role=asked_role)
        used = schemas.dialect(self.cattle.engine, self.version, policy)
        root = f"{self.request.base}/{self.version}{self.scope}"
        view = View(state, policy, used, self.request.base, root)
        try:
            return self.routed(view, self.segments[2:] if self.scope else self.segments)
        except Rejected as rejected:
            return self.refuse(rejected.status, rejected.code, rejected.field)

    def header(self, name: str) -> str:
        return self.request.headers.get(name, "")

    def named_project(self) -> str:
        return self.header("x-api-project-id") or self.request.parameter("projectId") or ""

    def reply(self, status: int, body: dict[str, Any]) -> Answer:
        where = ("X-API-Schemas", f"{self.request.base}/{self.version}{self.scope}/schemas")
        return message.reply(self.cattle.engine, status, body, (where, *self.identity))

    def refuse(self, status: int, code: str | None = None, field_name: str | None = None) -> Answer:
        answer = self.reply(status, message.error(status, code, field_name))
        challenged = status == 401 and self.cattle.access_control  # noqa: PLR2004
        if challenged and self.header("x-api-no-challenge").lower() != "true":
            answer = evolve(answer, headers=(*answer.headers, ("WWW-Authenticate", message.CHALLENGE)))
        return answer

    def routed(self, view: View, segments: list[str]) -> Answer:
        """Find type, id and link in the path, then do what the method says."""
        if not segments:
            if self.request.method != "GET":
                raise not_allowed()
            return self.reply(200, bodies.api_version(view, self.version, self.request.url))
        type_name = NAMES.get(segments[0].lower(), "")
        if not view.policy.sees(type_name):
            raise not_found()
        if self.request.method not in ("GET", "POST", "PUT", "DELETE"):
            raise not_allowed()
        match segments:
            case [_]:
                return self.on_collection(view, type_name)
            case [_, row_id] if type_name == "schema":
                return self.on_schema(view, row_id)
            case [_, row_id]:
                if self.request.method not in (*view.policy.methods(type_name)[0], "POST"):
                    raise not_allowed()  # before the row is looked for (recordings auth-365)
                return self.on_resource(view, self.row(view, type_name, unquote(row_id)))
            case [_, row_id, link]:
                return self.on_link(view, self.row(view, type_name, unquote(row_id)), link.lower())
        raise not_found()

    def row(self, view: View, type_name: str, row_id: str) -> Resource:
        """Return a row by its id, removed ones too, when its account is in sight; raise LookupError."""
        row = self.cattle.state.rows.get(row_id)
        if row is None or type_name not in (row.type, BASE_TYPES.get(row.type)):
            raise not_found()
        if row.type == "project":
            mine = keys.projects(self.cattle.state, view.policy, everything=True, enforced=self.cattle.access_control)
            if row not in mine and not (view.policy.everyone and row.removed):
                raise not_found()
        elif row.account_id != view.policy.account_id and not view.policy.everyone:
            raise not_found()
        return row

    def on_schema(self, view: View, type_name: str) -> Answer:
        if self.request.method != "GET":
            raise not_allowed()
        for name in bodies.schema_types(view):
            if name.lower() == type_name.lower():
                return self.reply(200, bodies.schema(view, name))
        raise not_found()

    def on_collection(self, view: View, type_name: str) -> Answer:
        method = self.request.method
        if method == "POST" and self.request.parameter("action") is not None:
            raise Rejected("InvalidAction", "action")
        if method not in view.policy.methods(type_name)[1]:
            raise not_allowed()
        if method == "POST":
            row = changes.create(self.cattle, view, type_name, self.body, self.order)
            return self.reply(201, bodies.resource(view, row, secret=True))
        return self.reply(200, self.listed(view, type_name))

    def listed(self, view: View, type_name: str) -> dict[str, Any]:
        url = self.request.url
        if type_name == "schema":
            return bodies.collection(
                view, type_name, url, [bodies.schema(view, name) for name in bodies.schema_types(view)]
            )
        known = schemas.filters(view.dialect, _filtered_as(type_name))
        if type_name == "project":
            everything = self.request.parameter("all") == "true"
            enforced = self.cattle.access_control
            rows = keys.projects(self.cattle.state, view.policy, everything=everything, enforced=enforced)
            shown = [bodies.resource(view, row) for row in listing.filtered(rows, self.request.parameters, known)]
            return bodies.collection(view, type_name, url, shown)
        account = None if view.policy.everyone else view.policy.account_id
        rows = [row for name in _concrete(type_name) for row in self.cattle.state.listed(name, account)]
        return self.paged(view, type_name, rows, known)

    def paged(
        self, view: View, type_name: str, rows: list[Resource], known: dict[str, tuple[str, ...]]
    ) -> dict[str, Any]:
        parameters = self.request.parameters
        rows = listing.filtered(rows, parameters, known)
        page = listing.page(rows, parameters, known, self.request.url, self.request.query)
        shown = [bodies.resource(view, row) for row in page.rows]
        return bodies.collection(view, type_name, self.request.url, shown, pagination=page.pagination, sort=page.sort)

    def on_resource(self, view: View, row: Resource) -> Answer:
        method = self.request.method
        if method == "GET":
            return self.reply(200, bodies.resource(view, row))
        if method == "POST":
            action = self.request.parameter("action")
            if action is None:
                raise not_allowed()
            status = changes.act(self.cattle, view, row, action, self.body)
            return self.reply(status, bodies.resource(view, row, secret=True))
        if method == "PUT":
            changes.update(view, row, self.body)
        else:
            changes.delete(self.cattle, row)
        return self.reply(200, bodies.resource(view, row))

    def on_link(self, view: View, row: Resource, link: str) -> Answer:
        """Follow a link of a row. A registry's `credentials` lists none, whatever there is (recordings 075)."""
        if self.request.method != "GET":
            raise not_allowed()
        if row.type == "registryCredential" and link == "registry":
            return self.reply(200, bodies.resource(view, self.row(view, "registry", row.values["registryId"])))
        if link == "account" and row.account_id in self.cattle.state.rows:
            return self.reply(200, bodies.resource(view, self.cattle.state.rows[row.account_id]))
        if link not in {name.lower() for name in schemas.LINKS.get(row.type, ())} or link in ("account", "certificate"):
            raise not_found()
        type_name = NAMES.get(link, link.removesuffix("s"))
        page = listing.page([], self.request.parameters, {}, self.request.url, self.request.query)
        body = bodies.collection(view, type_name, self.request.url, [], pagination=page.pagination, sort=page.sort)
        return self.reply(200, body)


def _concrete(type_name: str) -> tuple[str, ...]:
    return tuple(name for name in ("registry", "registryCredential", "apiKey") if type_name in (name, BASE_TYPES[name]))


def _filtered_as(type_name: str) -> str:
    return {"storagePool": "registry", "credential": "registryCredential"}.get(type_name, type_name)
