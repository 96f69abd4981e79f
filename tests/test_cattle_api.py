"""How Rancher speaks: every URL form and key, pages, links, error answers; and whatever else may come back."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rancher import ENGINES, HOST, URL, VERSIONS, Raising, api_of, app_of, environments, session_of, token, world

from rancher_ecr import Change, Report, StoreError, StoreResponseError, Syncer
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.stores._cattle_api import number
from rancher_ecr.stores._cattle_url import parse_cattle_url
from rancher_ecr.testing.cattle import CattleSimulator, Key, Request, answer, every, writes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY = Key("access", "secret-of-the-key")
SUFFIXES = ("", "/", "/v1", "/v1/", "/v1/schemas", "/v2-beta", "/v2-beta/", "/v2-beta/schemas")
SCOPED = ("/v1/projects/{}", "/v2-beta/projects/{}/", "/v1/projects/{}/schemas", "/v2-beta/projects/{}/schemas")


def sync(
    session: requests.Session, key: Key, url: str, selection: Iterable[str] = (), *, create: bool = True
) -> Report:
    stores = environments(session, key, url, selection=tuple(selection))
    tokens = [token(HOST), token("new.example.com")]
    return Syncer([StaticTokenSource(tokens)], stores, create_missing=create).sync()


class Site:
    """A server with two environments, and every kind of key for the first."""

    def __init__(self, **options: Any) -> None:
        self.sim = CattleSimulator(**options)
        self.project = self.sim.add_project("Default")
        self.other = self.sim.add_project("Other")
        self.sim.add_credential(self.sim.add_registry(self.project, HOST), "AWS", "old")
        for account, role in (("ann", "owner"), ("bea", "owner"), ("mia", "member"), ("ray", "readonly")):
            self.sim.add_member(self.project, account, role)
        self.sim.add_member(self.other, "bea", "owner")

    def check(self) -> None:
        for host in (HOST, "new.example.com"):
            login = self.sim.pull(host, self.project)
            assert login is not None, f"no login for {host}"
            assert login.password == "new"
        assert self.sim.registries(self.other) == []


KEYS: dict[str, Callable[[Site], Key]] = {
    "environment": lambda site: site.sim.add_environment_key(site.project),
    "owner of one": lambda site: site.sim.add_account_key("ann"),
    "owner of two": lambda site: site.sim.add_account_key("bea"),
    "member": lambda site: site.sim.add_account_key("mia"),
    "admin": lambda site: site.sim.add_account_key("root", kind="admin"),
    "agent with role": lambda site: site.sim.add_agent_key(site.project, role="environment"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("suffix", [*SUFFIXES, *SCOPED])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_form_of_url_with_every_kind_of_key(engine: str, suffix: str, kind: str) -> None:
    site = Site(engine=engine)
    chooses = kind in {"owner of two", "admin"} and suffix not in SCOPED
    report = sync(
        site.sim.session(),
        KEYS[kind](site),
        URL + suffix.format(site.project),
        ["default"] if chooses else [],
    )
    report.raise_for_failures()
    site.check()
    if "v1" in suffix or "v2" in suffix:
        asked = {request.path.split("/")[1] for request in site.sim.requests}
        assert asked == {suffix.split("/")[1]}


@pytest.mark.parametrize("suffix", [*SUFFIXES, *SCOPED])
def test_without_access_control_any_key_will_do(suffix: str) -> None:
    site = Site(access_control=False)
    sync(site.sim.session(), KEY, URL + suffix.format(site.project), ["1a5"]).raise_for_failures()
    site.check()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_read_only_member_is_told(version: str) -> None:
    site = Site()
    report = sync(site.sim.session(), site.sim.add_account_key("ray"), f"{URL}/{version}")
    assert {outcome.change for outcome in report.outcomes} == {Change.FAILED}
    for outcome in report.outcomes:
        assert isinstance(outcome.error, StoreResponseError)
        assert outcome.error.status == 405
        assert "the key may only read" in str(outcome.error)
        assert "io.rancher.container.agent.role: environment" in str(outcome.error)


@pytest.mark.parametrize("suffix", [*SUFFIXES, *SCOPED])
@pytest.mark.parametrize("role", [None, "agent", "agent,environment"])
def test_an_agent_without_the_role_is_told(suffix: str, role: str | None) -> None:
    site = Site()
    key = site.sim.add_agent_key(site.project, role=role)
    (outcome,) = sync(site.sim.session(), key, URL + suffix.format(site.project)).outcomes
    assert isinstance(outcome.error, StoreResponseError)
    assert outcome.error.status in {403, 404}
    assert "io.rancher.container.agent.role: environment" in str(outcome.error)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_refused_key_is_told(suffix: str) -> None:
    site = Site()
    key = site.sim.add_environment_key(site.project)
    site.sim.set_state(site.project, "inactive")
    for refused in (Key(key.access, "wrong-secret"), Key("unknown", "unknown"), key):
        (outcome,) = sync(site.sim.session(), refused, URL + suffix).outcomes
        assert isinstance(outcome.error, StoreResponseError)
        assert outcome.error.status == 401
        assert "CATTLE_SECRET_KEY" in str(outcome.error)
        assert "environment is not deactivated" in str(outcome.error)


def test_the_older_version_serves_when_the_newer_is_not_there() -> None:
    site = Site()

    def old_server(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"].replace("/v2-beta/", "/v9/")  # an unknown version: HTML, 404
        return site.sim(environ, start_response)

    sync(session_of(old_server), KEYS["environment"](site), URL).raise_for_failures()
    site.check()
    assert {credential.email for credential in site.sim.credentials(site.project)} > {None}


def test_a_server_of_neither_version_is_told() -> None:
    api = api_of(session_of(app_of(lambda *_: (404, {}, "<html>"))), KEY)
    with pytest.raises(StoreError, match=r"not a Rancher 1\.x API"):
        api.projects()


def test_a_found_version_is_kept() -> None:
    w = world()
    api = api_of(w.sim.session(), w.key)
    api.projects()
    api.projects()
    assert [request.path for request in w.sim.requests] == ["/v2-beta/projects"] * 2


# --- a proxy in front


def behind_proxy(sim: CattleSimulator, prefix: str = "/rancher") -> "WSGIApplication":
    """A proxy with TLS and a prefix that tells the server nothing of either, as most are configured."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(f"{prefix}/"):
            start_response("404 Not Found", [("Content-Length", "6")])
            return [b"<html>"]
        environ["PATH_INFO"] = path.removeprefix(prefix)
        environ["HTTP_HOST"] = "internal:8080"
        environ["wsgi.url_scheme"] = "http"
        return sim(environ, start_response)

    return app


@pytest.mark.parametrize("suffix", [*SUFFIXES, *SCOPED])
def test_links_are_never_followed_to_another_origin(suffix: str) -> None:
    """3,500 registries make two pages, whose link says http://internal:8080 and lacks the prefix."""
    site = Site()
    for place in range(3500 if suffix == "/v1" else 5):
        site.sim.add_registry(site.project, f"{place}.example.com")
    session = session_of(behind_proxy(site.sim), "https://rancher.example.com/rancher/")
    url = f"https://rancher.example.com/rancher{suffix}".format(site.project)
    sync(session, KEYS["environment"](site), url).raise_for_failures()
    site.check()


def test_a_url_without_the_proxys_prefix_is_told() -> None:
    site = Site()
    (outcome,) = sync(session_of(behind_proxy(site.sim)), KEYS["environment"](site), f"{URL}/v2-beta").outcomes
    assert "is CATTLE_URL right" in str(outcome.error)
    assert "label" not in str(outcome.error), "the proxy knows nothing of agents"


# --- lists


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 130, 3000, 3001, 3500])
def test_lists_are_complete(count: int) -> None:
    w = world()
    ids = [w.sim.add_registry(w.project, f"{place}.example.com") for place in range(count)]
    rows = api_of(w.sim.session(), w.key).rows(f"projects/{w.project}/registries", "registry")
    assert [row["id"] for row in rows] == ids
    assert len(w.sim.requests) == (1 if count <= 3000 else 2)


def test_130_registries_with_their_logins() -> None:
    w = world()
    hosts = [f"{place}.dkr.example.com" for place in range(130)]
    for host in hosts:
        w.add(host, ("AWS", "old"))
    report = w.sync(*(token(host) for host in hosts))
    assert report.ok
    assert {w.pull(host) for host in hosts} == {("AWS", "new")}
    assert len(w.sim.requests) == 2 + 130


def capped(sim: CattleSimulator, cap: int) -> "WSGIApplication":
    """A server whose largest page is smaller than what is asked for."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        query = parse_qs(environ["QUERY_STRING"])
        if int(query.get("limit", ["100"])[0]) > cap:
            environ["QUERY_STRING"] = environ["QUERY_STRING"].replace(f"limit={query['limit'][0]}", f"limit={cap}")
        return sim(environ, start_response)

    return app


@pytest.mark.parametrize("cap", [1, 2, 3, 99, 100])
def test_a_server_with_smaller_pages_is_read_completely(cap: int) -> None:
    w = world()
    ids = [w.sim.add_registry(w.project, f"{place}.example.com") for place in range(130 if cap > 3 else 7)]
    rows = api_of(session_of(capped(w.sim, cap)), w.key).rows(f"projects/{w.project}/registries", "registry")
    assert [row["id"] for row in rows] == ids


@given(
    st.integers(2, 5),
    st.integers(1, 14),
    st.lists(st.tuples(st.integers(2, 9), st.integers(0, 13), st.booleans()), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_a_list_that_changes_between_pages_loses_nothing(
    cap: int, count: int, changes: list[tuple[int, int, bool]]
) -> None:
    """Every row that was there all the time is there, whatever was removed or added before the nth request."""
    w = world()
    ids = [w.sim.add_registry(w.project, f"{place}.example.com") for place in range(count)]
    removed = set()

    def change(request: Request) -> bool:
        for at, place, adds in changes:
            if at == request.number and adds:
                w.sim.add_registry(w.project, "added.example.com")
            elif at == request.number and place < count:
                w.sim.set_state(ids[place], "removed")
                removed.add(ids[place])
        return False

    w.sim.faults.on(change, answer(500))
    rows = api_of(session_of(capped(w.sim, cap)), w.key).rows(f"projects/{w.project}/registries", "registry")
    listed = [row["id"] for row in rows]
    assert set(listed) >= set(ids) - removed
    assert len(listed) == len(set(listed))
    assert listed == sorted(listed, key=number)


def test_a_list_that_never_rests_is_an_error() -> None:
    w = world()
    ids = [w.sim.add_registry(w.project, f"{place}.example.com") for place in range(300)]

    def change(request: Request) -> bool:
        if "marker" in request.query:
            w.sim.set_state(ids.pop(0), "removed")
        return False

    w.sim.faults.on(change, answer(500))
    with pytest.raises(StoreError, match="changed 5 times while its pages were read"):
        api_of(session_of(capped(w.sim, 100)), w.key).rows(f"projects/{w.project}/registries", "registry")


def page(ids: Iterable[str], following: object = None, **more: object) -> dict[str, Any]:
    rows = [{"type": "registry", "id": row_id, "state": "active", "serverAddress": row_id} for row_id in ids]
    return {"type": "collection", "data": rows, "pagination": {"next": following}, **more}


@pytest.mark.parametrize(
    "marker", ["opaque", "m", "m0", "mx", "m1e9", "m-1", "m" + "9" * 5000, "\ud800", "a&limit=1", ""]
)
def test_opaque_markers_are_handed_back(marker: str) -> None:
    asked: list[dict[str, list[str]]] = []

    def say(_method: str, _path: str, query: str) -> dict[str, Any]:
        asked.append(parse_qs(query, keep_blank_values=True))
        if len(asked) == 1:
            return page(["1sp1", "1sp2"], f"{URL}/x?marker={marker}")
        return page(["1sp3"])

    rows = api_of(session_of(app_of(say)), KEY).rows("registries", "registry")
    assert [row["id"] for row in rows] == ["1sp1", "1sp2", "1sp3"]
    if marker.isalnum():
        assert asked[1]["marker"] == [marker]


@pytest.mark.parametrize(
    "link",
    [
        "http://[",
        "https://elsewhere.example.com/v2-beta/registries?marker=next",
        "//elsewhere.example.com/?marker=next",
        "?marker=next",
        "http://user:password@rancher:8080/?marker=next#fragment",
    ],
)
def test_only_the_query_of_a_link_is_used(link: str) -> None:
    paths: list[str] = []

    def say(_method: str, path: str, query: str) -> dict[str, Any]:
        paths.append(path)
        if "marker=next" in query or len(paths) > 1:
            return page(["1sp2"])
        return page(["1sp1"], link)

    assert len(api_of(session_of(app_of(say), URL), KEY).rows("registries", "registry")) == 2
    assert paths == ["/v2-beta/registries"] * 2


def test_a_page_that_leads_to_itself_is_an_error() -> None:
    asked: list[str] = []

    def say(_method: str, _path: str, query: str) -> dict[str, Any]:
        asked.append(query)
        return page(["1sp1"], f"{URL}/v2-beta/registries?marker=again")

    with pytest.raises(StoreError, match="do not end"):
        api_of(session_of(app_of(say)), KEY).rows("registries", "registry")
    assert len(asked) == 2


@pytest.mark.parametrize("size", [1, 3000])
def test_endless_pages_are_an_error(size: int) -> None:
    asked: list[str] = []

    def say(_method: str, _path: str, query: str) -> dict[str, Any]:
        asked.append(query)
        first = len(asked) * size
        return page((f"1sp{place}" for place in range(first, first + size)), f"{URL}/?marker=n{first}")

    with pytest.raises(StoreError, match="do not end"):
        api_of(session_of(app_of(say)), KEY).rows("registries", "registry")
    assert len(asked) <= min(1000, 100_000 // size + 1)


def test_a_list_is_read_once_not_once_per_registry() -> None:
    w = world()
    for place in range(50):
        w.add(f"{place}.example.com", ("AWS", "old"))
    w.store.registries()
    assert len(w.sim.requests) == 2


# --- answers


ERRORS: dict[int, str] = {
    400: "is CATTLE_URL right",
    401: "CATTLE_SECRET_KEY",
    403: "may not use this environment",
    404: "not visible to this key",
    405: "the key may only read",
    407: "HTTP_PROXY",
    409: "the next sync tries again",
    418: "is CATTLE_URL right",
    422: "refuses the value",
    429: "asks for fewer requests",
    500: "the next sync tries again",
    502: "the next sync tries again",
    503: "the next sync tries again",
    504: "the next sync tries again",
    599: "the next sync tries again",
}


@pytest.mark.parametrize("status", ERRORS)
def test_error_answers_have_status_code_field_and_remedy(status: int) -> None:
    body = json.dumps({"type": "error", "status": status, "code": "SomeCode", "fieldName": "someField"})
    w = world()
    w.sim.faults.on(every, answer(status, body), times=None)
    with pytest.raises(StoreResponseError, match=f"GET .*{status} SomeCode .someField.: ") as caught:
        w.store.registries()
    assert (caught.value.status, caught.value.code, caught.value.field) == (status, "SomeCode", "someField")
    assert ERRORS[status] in str(caught.value)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 405, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "body", ["", "<html>Bad Gateway</html>", "[]", "null", '{"message":"Not Found","status":"404"}']
)
def test_errors_that_are_not_ranchers_say_so(status: int, body: str) -> None:
    w = world()
    w.sim.faults.on(every, answer(status, body, {"Content-Type": "text/html"}), times=None)
    with pytest.raises(StoreResponseError) as caught:
        w.store.registries()
    assert (caught.value.status, caught.value.code, caught.value.field) == (status, None, None)
    assert "without Rancher's JSON, so this is not a Rancher API" in str(caught.value)
    assert f"{URL}/v2-beta/projects/1a5/registries" in str(caught.value)
    assert "label" not in str(caught.value), "what is no Rancher knows nothing of agents"


@pytest.mark.parametrize("said", [["list"], {"a": 1}, "x" * 81, "two\nlines", "<b>", 7, None])
def test_only_words_of_an_error_are_shown(said: object) -> None:
    body = json.dumps({"type": "error", "code": said, "fieldName": said})
    w = world()
    w.sim.faults.on(every, answer(422, body), times=None)
    with pytest.raises(StoreResponseError) as caught:
        w.store.registries()
    assert (caught.value.code, caught.value.field) == (None, None)
    assert "422: Rancher refuses the value" in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    "body", ["", "<!DOCTYPE html><title>Log in</title>", "{", "[" * 200_000, "[]", "7", "\xff", '"{}"']
)
def test_a_page_instead_of_json_is_said(status: int, body: str) -> None:
    w = world()
    w.sim.faults.on(every, answer(status, body.encode("latin-1"), {"Content-Type": "text/html"}), times=None)
    with pytest.raises(StoreError, match=f"answered {status} without JSON, so this is not a Rancher API") as caught:
        w.store.registries()
    assert "login page or proxy" in str(caught.value)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["registry", "collection"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "data", "state", "pagination", "next", "removed", "registryId", "resourceType"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(ODD, st.sampled_from([200, 201, 404, 422, 500]))
@settings(max_examples=200, deadline=None)
def test_json_of_any_other_shape_is_a_store_error(body: object, status: int) -> None:
    assume(not isinstance(body, dict) or body.get("data") != [])  # an empty list is a good answer
    w = world()
    w.add(HOST, ("AWS", "old"))
    listed = w.listed(HOST)
    w.sim.faults.on(every, answer(status, json.dumps(body)), times=None)
    calls: list[Callable[[], object]] = [
        w.store.registries,
        lambda: w.store.write({listed: token(HOST)}),
        lambda: w.store.create("new.example.com", token("new.example.com")),
        lambda: list(environments(w.sim.session(), w.key)),
        lambda: list(environments(w.sim.session(), w.key, f"{URL}/v1/projects/1a5")),
    ]
    for call in calls:
        with pytest.raises(StoreError):
            call()


ROW = st.fixed_dictionaries(
    {"type": st.just("registry"), "id": st.from_regex(r"1sp[0-9]{1,30}", fullmatch=True) | st.text()},
    optional={"state": ODD, "removed": ODD, "serverAddress": ODD, "registryId": ODD, "publicValue": ODD, "name": ODD},
)


@given(st.lists(ROW, max_size=4), ODD, ODD)
@settings(max_examples=200, deadline=None)
def test_rows_with_odd_fields_are_read_or_a_store_error(
    rows: list[dict[str, object]], link: object, odd: object
) -> None:
    def say(_method: str, path: str, _query: str) -> dict[str, Any]:
        kind = {"registries": "registry", "registrycredentials": "registryCredential"}.get(
            path.rpartition("/")[2], "project"
        )
        body = {"type": "collection", "data": [{**row, "type": kind} for row in rows], "pagination": {"next": link}}
        return {**body, "more": odd}

    for store in _stores(session_of(app_of(say))):
        try:
            listed = store.registries()
        except StoreError:
            continue
        assert len(listed) <= len(rows)
        assert str(listed)
        assert str(store)


def _stores(session: requests.Session) -> list[Any]:
    try:
        return list(environments(session, KEY, selection=["*"]))
    except StoreError:
        return []


def test_an_answer_for_another_request_is_an_error() -> None:
    w = world()
    w.add(HOST, ("AWS", "old"))
    w.add("other.example.com", ("other", "other"))
    listed = w.listed(HOST)
    session = w.sim.session()
    auth = (w.key.access, w.key.secret)
    answers = {
        path: session.get(f"{URL}/v2-beta/projects/1a5/{path}", auth=auth, timeout=5).content
        for path in ("registries", "registrycredentials", "registrycredentials/1c3", "registries/1sp1")
    }
    assert listed.ref.logins[0].id == "1c2"  # type: ignore[attr-defined]  # a CattleRef
    for content in answers.values():
        w.sim.faults.on(writes, answer(200, content))
        with pytest.raises(StoreError, match="is not the registryCredential asked for"):
            w.store.write({listed: token(HOST)})
    w.sim.faults.on(every, answer(200, answers["registrycredentials"]))
    with pytest.raises(StoreError, match="no list of type registry;"):
        w.store.registries()
    w.sim.faults.on(every, answer(200, json.dumps(page([], resourceType="project"))))
    with pytest.raises(StoreError, match="no list of type registry;"):
        w.store.registries()


def test_an_answer_for_another_creation_removes_nothing() -> None:
    """The danger in withdrawing a duplicate: that it is somebody else's."""
    w = world()
    w.add("other.example.com", ("other", "other"))
    session = w.sim.session()
    auth = (w.key.access, w.key.secret)
    registry = session.get(f"{URL}/v2-beta/projects/1a5/registries/1sp1", auth=auth, timeout=5).content
    credential = session.get(f"{URL}/v2-beta/projects/1a5/registrycredentials/1c2", auth=auth, timeout=5).content

    def instead(content: bytes) -> Callable[..., Any]:
        def act(process: Callable[[], Any], wait: Any) -> Any:
            process()
            return answer(201, content)(process, wait)

        return act

    w.sim.faults.on(lambda request: request.method == "POST" and request.path.endswith("registries"), instead(registry))
    w.sim.faults.on(lambda request: request.method == "POST", instead(credential))
    w.store.create(HOST, token(HOST))
    assert w.pull(HOST) == ("AWS", "new")
    assert w.pull("other.example.com") == ("other", "other")
    assert [(len(logins)) for _, logins in w.alive(HOST)] == [1]


@pytest.mark.parametrize("row_id", ["", "1sp\ud800", "1sp" + "9" * 5000, "../../v3", "1sp1?x=y", "1sp 1", 7, None])
def test_ids_that_are_none_are_an_error(row_id: object) -> None:
    row = {"type": "registry", "id": row_id}
    with pytest.raises(StoreError, match="something that is no registry"):
        api_of(session_of(app_of(lambda *_: {"type": "collection", "data": [row]})), KEY).rows("registries", "registry")
    with pytest.raises(StoreError, match="not the registry asked for"):
        api_of(session_of(app_of(lambda *_: row)), KEY).get("registries", "registry", "1sp1")


def test_one_odd_row_spoils_the_list() -> None:
    """A list without it would be taken for complete."""
    said = page(["1sp1"])
    said["data"].append({"type": "registryCredential", "id": "1c1"})
    with pytest.raises(StoreError, match="something that is no registry"):
        api_of(session_of(app_of(lambda *_: said)), KEY).rows("registries", "registry")


def test_secrets_in_answers_go_no_further() -> None:
    w = world()
    body = {"registryId": w.add(HOST), "publicValue": "AWS", "secretValue": "shown in clear"}
    row = api_of(w.sim.session(), w.key).post(f"projects/{w.project}/registrycredentials", "registryCredential", body)
    assert row["publicValue"] == "AWS"
    assert "shown in clear" not in row.values()


def test_a_filter_holds_on_every_page() -> None:
    w = world()
    w.add("other.example.com", *[("bob", "his")] * 5)
    registry = w.add(HOST, *[("AWS", "old")] * 5)
    path = f"projects/{w.project}/registrycredentials?registryId={registry}"
    rows = api_of(session_of(capped(w.sim, 2)), w.key).rows(path, "registryCredential")
    assert [row["registryId"] for row in rows] == [registry] * 5
    assert {request.path for request in w.sim.requests} == {f"/v2-beta/projects/{w.project}/registrycredentials"}


@pytest.mark.parametrize("text", ["1c9", "1c10", "1c010", "1c", "c", "1sp99999999999999999999"])
def test_ids_are_ordered_by_their_number(text: str) -> None:
    assert number("1c9") < number("1c10")
    assert number(text) == number(text)
    assert sorted(["1c10", "1c9", "1c100"], key=number) == ["1c9", "1c10", "1c100"]


def test_a_url_with_userinfo_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="CATTLE_ACCESS_KEY") as caught:
        parse_cattle_url("http://user:verysecret@rancher:8080/v1")
    assert "verysecret" not in repr(caught.value)


def test_a_network_that_fails_is_a_store_error() -> None:
    session = requests.Session()
    session.mount("http://", Raising(requests.ConnectionError("refused")))
    with pytest.raises(StoreError, match=r"GET http://rancher:8080/v2-beta/projects: .*is Rancher up"):
        api_of(session, KEY).projects()
