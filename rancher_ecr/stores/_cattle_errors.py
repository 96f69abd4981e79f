"""What Rancher's error answers mean, and what to do about each. Nothing is asked here."""

import re
from collections.abc import Callable

from rancher_ecr.errors import StoreResponseError
from rancher_ecr.stores._cattle_http import Answer

_LABEL = "the label io.rancher.container.agent.role: environment"
_WRONG_PLACE = "is CATTLE_URL right, or a login page or proxy in front?"
_REMEDIES = {
    401: "the key is refused: check CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY, that the key is active, and that its "
    "environment is not deactivated",
    403: f"the key may not use this environment: unknown, deactivated, somebody else's, or an agent without {_LABEL}",
    404: f"not there, or not visible to this key: an agent needs {_LABEL}",
    405: "the key may only read here: use an environment key, or the account key of a member who may write; "
    f"an agent needs {_LABEL}",
    407: "the proxy wants a user and a password, see HTTP_PROXY and HTTPS_PROXY",
    409: "another change is under way, or the database refused the value; the next sync tries again",
    422: "Rancher refuses the value",
    429: "Rancher, or a proxy, asks for fewer requests; the next sync tries again",
}
_CODE_REMEDIES = {
    "MaxLengthExceeded": "the token is longer than this server stores; PastureStack's v2-beta takes longer ones",
    "ServerAddressUsed": "the address is taken, perhaps by an inactive registry",
}
_WORD = re.compile(r"[\w .-]{1,80}", re.ASCII)


def response_error(answer: Answer, scrub: Callable[[str], str]) -> StoreResponseError:
    """Make the error for an answer; of what the server said only words are shown, scrubbed."""
    body = answer.body or {}
    is_cattle = body.get("type") == "error"
    code, field = (
        scrub(value) if is_cattle and isinstance(value, str) and _WORD.fullmatch(value) else None
        for value in (body.get("code"), body.get("fieldName"))
    )
    said = " ".join([str(answer.status), *([code] if code else []), *([f"({field})"] if field else [])])
    if not is_cattle:
        said += " without Rancher's JSON, so this is not a Rancher API, or a proxy in front of it speaks"
    remedy = _CODE_REMEDIES.get(code or "") or _remedy(answer.status, is_cattle=is_cattle)
    return StoreResponseError(
        f"{answer.method} {answer.url}: {said}: {remedy}", status=answer.status, code=code, field=field
    )


def _remedy(status: int, *, is_cattle: bool) -> str:
    if status >= 500:  # noqa: PLR2004  # HTTP's own border
        return "the server is in trouble; the next sync tries again"
    if not is_cattle and status in {403, 404, 405}:
        return _WRONG_PLACE
    return _REMEDIES.get(status, _WRONG_PLACE)
