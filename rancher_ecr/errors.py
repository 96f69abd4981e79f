"""Every error raised on purpose, split by who must act. No other module defines one.

RancherECRError
├── SettingsError              the operator: a variable is wrong                     exit 2
├── SourceError                the cloud: no token
│   └── MalformedTokenError    it answered, with something that is no login
├── StoreError                 the orchestrator: not read or not written
│   ├── StoreResponseError     it answered with an error
│   ├── RegistryMissingError   no store knows the address
│   └── RegistryUnusableError  it is there, and the orchestrator would not use it
└── SyncError                  all failures of one sync, an ExceptionGroup           exit 1

A message says what happened, where, and what to do about it; it never holds a secret.
"""

from collections.abc import Sequence
from typing import Self


class RancherECRError(Exception):
    """The root of every error this package raises on purpose."""


class SettingsError(RancherECRError):
    """One or more settings are wrong; retrying cannot help.

    Attributes:
        problems: every problem found, each naming its variable and the remedy.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems))


class SourceError(RancherECRError):
    """A token source could not get a token."""


class MalformedTokenError(SourceError):
    """A token source got an answer that is no usable login. The message never quotes it."""


class StoreError(RancherECRError):
    """A registry store could not be read or written."""


class StoreResponseError(StoreError):
    """The orchestrator answered with an error.

    Attributes:
        status: the HTTP status.
        code: the API's own error code, such as `MaxLengthExceeded`; None when it gave none.
        field: the field the error is about; None when it named none.
    """

    def __init__(self, message: str, *, status: int, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        """Exceptions with keyword-only arguments need help to be pickled and copied."""
        return (_rebuild_response_error, (str(self), self.status, self.code, self.field))


def _rebuild_response_error(message: str, status: int, code: str | None, field: str | None) -> StoreResponseError:
    return StoreResponseError(message, status=status, code=code, field=field)


class RegistryMissingError(StoreError):
    """No store holds a registry with the token's address."""


class RegistryUnusableError(StoreError):
    """The registry is there, and the orchestrator would not use its login at a pull."""


class SyncError(ExceptionGroup[RancherECRError], RancherECRError):
    """Everything that one sync did not deliver; raised by `Report.raise_for_failures`."""

    def derive(self, excs: Sequence[RancherECRError], /) -> Self:  # type: ignore[override]  # typeshed's is generic
        """Keep the type when the group is split, as ExceptionGroup asks of its subclasses."""
        return type(self)(self.message, excs)
