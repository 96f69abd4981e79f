"""Asks a registry whether it accepts a login. It never follows a redirect, and never raises."""

from collections.abc import Mapping
from typing import Any

import requests

from rancher_ecr.model import AuthorizationToken
from rancher_ecr.state import Verdict

_TIMEOUT = (5.0, 10.0)  # connect and read, seconds
_REFUSALS = frozenset({400, 401, 403})  # ECR answers 400 to a password that is none of its own
_ACCEPTED = 200


def verify(
    server_address: str,
    token: AuthorizationToken,
    *,
    scheme: str = "https",
    timeout: tuple[float, float] = _TIMEOUT,
) -> Verdict:
    """Ask `GET /v2/` of the registry API with the login.

    Args:
        server_address: the registry's `host[:port]`.
        token: the login that was delivered for it.
        scheme: https, unless a test says otherwise.
        timeout: seconds to connect, and of silence.
    """
    url = f"{scheme}://{server_address}/v2/"
    try:
        session = requests.Session()
        session.auth = (token.username, token.password)
        request = session.prepare_request(requests.Request("GET", url))
        settings: Mapping[str, Any] = session.merge_environment_settings(url, {}, True, None, None)
        # Not session.send: it reads a redirect's body to its end. The login is for this host alone, the status says
        # all, and a body may be endless.
        with session, session.get_adapter(url).send(request, timeout=timeout, **settings) as answer:
            status = answer.status_code
    except requests.exceptions.SSLError as error:
        return Verdict(None, f"TLS failed ({type(error).__name__})")
    except requests.RequestException as error:
        return Verdict(None, f"no answer ({type(error).__name__})")
    except (OSError, ValueError) as error:  # an address that is no URL, a CA bundle that is not there
        return Verdict(None, f"it could not be asked ({type(error).__name__})")
    if status == _ACCEPTED:
        return Verdict(True, "200")
    if status in _REFUSALS:
        return Verdict(False, f"it answered {status} to GET {url}")
    return Verdict(None, f"it answered {status} to GET {url}")
