"""Keeps secrets out of what foreign code says: messages and chains are scrubbed here before anybody renders them."""

import base64
import threading
import traceback
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 5  # replacing shorter strings would garble ordinary words
_REMEMBERED = 512  # tokens rotate for years, and the oldest are long dead


class Secrets:
    """The secrets known to this process. Thread-safe; its repr shows none of them.

    Args:
        values: secrets that live as long as the process, such as keys; blank and None are skipped.
    """

    def __init__(self, *values: str | None) -> None:
        self._lock = threading.Lock()
        self._permanent = frozenset(value for value in values if value and len(value) >= _SHORTEST)
        self._rotating: dict[str, None] = {}

    def add(self, *values: str | None) -> None:
        """Remember secrets that rotate, such as tokens and session keys; of many the oldest are forgotten."""
        with self._lock:
            for value in values:
                if value and len(value) >= _SHORTEST:
                    self._rotating.pop(value, None)
                    self._rotating[value] = None
            while len(self._rotating) > _REMEMBERED:
                del self._rotating[next(iter(self._rotating))]

    def scrub(self, text: str) -> str:
        """Return the text with every known secret replaced, in the spellings it is likely to be quoted in."""
        with self._lock:
            known = {*self._permanent, *self._rotating}
        # No spelling is shorter than the secret itself, so most tokens need not be spelled for most lines.
        spellings = {spelling for secret in known if len(secret) <= len(text) for spelling in _spellings(secret)}
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, MASK)
        return text

    def scrub_cause(self, error: BaseException) -> BaseException:
        """Return what may stand as a `__cause__`: the error itself, or a stand-in when its chain quotes a secret."""
        try:
            rendered = "".join(traceback.format_exception(error)) + "".join(map(repr, _chain(error)))
            text = str(error)
        except Exception:  # noqa: BLE001  # foreign exceptions may be unable to show themselves
            return ScrubbedError(f"{type(error).__module__}.{type(error).__qualname__}")
        if self.scrub(rendered) == rendered:
            return error
        return ScrubbedError(f"{type(error).__module__}.{type(error).__qualname__}: {self.scrub(text)}")


class ScrubbedError(Exception):
    """Stands in for a foreign exception whose text quoted a secret."""


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _spellings(secret: str) -> set[str]:
    raw = secret.encode(errors="surrogatepass")  # the environment may hold bytes that are no text
    encoded = base64.b64encode(raw).decode()
    return {secret, quote(raw), quote(raw, safe=""), quote_plus(raw), repr(secret)[1:-1], encoded}
