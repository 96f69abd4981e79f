"""Reads typed values out of environment variables and collects problems. Knows no variable by name."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})  # Go's ParseBool, and what people write
_FALSE = frozenset({"0", "f", "false", "n", "no", "off"})
_DURATION = re.compile(r"(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?", re.ASCII)


class Environ:
    """Environment variables, of which blank ones count as unset.

    Args:
        variables: by name.
        read_file: gives the text of a file by its path; raises OSError or ValueError.

    Attributes:
        problems: what was wrong so far; each begins with the variable's name.
    """

    def __init__(self, variables: Mapping[str, str], read_file: Callable[[str], str]) -> None:
        self._variables = {name: value.strip() for name, value in variables.items() if value.strip()}
        self._read_file = read_file
        self.problems: list[str] = []

    def __contains__(self, name: object) -> bool:
        """Whether the variable is set and not blank."""
        return name in self._variables

    def get(self, name: str) -> str | None:
        """Give the text without surrounding blanks; None when unset."""
        return self._variables.get(name)

    def problem(self, name: str, text: str) -> None:
        """Note what is wrong with a variable, and the remedy."""
        self.problems.append(f"{name} {text}")

    def text_or_file(self, name: str) -> str | None:
        """Give the text, or what stands in the file that NAME_FILE names."""
        path = self.get(f"{name}_FILE")
        if path is None:
            return self.get(name)
        if name in self:
            self.problem(name, f"and {name}_FILE are both set; drop one")
            return None
        text = self._file_text(f"{name}_FILE", path)
        if text is not None and not text.strip():
            self.problem(f"{name}_FILE", f"names {path!r}, which is empty")
        return text.strip() if text else None

    def readable_file(self, name: str) -> str | None:
        """Give a path that can be read."""
        path = self.get(name)
        return path if path is None or self._file_text(name, path) is not None else None

    def _file_text(self, name: str, path: str) -> str | None:
        try:
            return self._read_file(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no text"
            # What is no path may be the key itself, put there by mistake.
            shown = f"names {path!r}, which" if "/" in path or "\\" in path else "names a file that"
            self.problem(name, f"{shown} cannot be read: {why}")
            return None

    def items(self, name: str) -> tuple[str, ...]:
        """Split at commas; blanks and repeats are forgiven."""
        items = (item.strip() for item in (self.get(name) or "").split(","))
        return tuple(dict.fromkeys(item for item in items if item))

    def boolean(self, name: str) -> bool:
        """Read what Go's ParseBool takes, and yes/no/on/off; False when unset."""
        text = (self.get(name) or "false").lower()
        if text not in _TRUE | _FALSE:
            self.problem(name, f"is {text!r}; use true or false")
        return text in _TRUE

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Read one of several words, in any case."""
        text = (self.get(name) or default).lower()
        if text in choices:
            return text
        self.problem(name, f"is {text!r}; use one of {', '.join(choices)}")
        return default

    def duration(self, name: str, default: timedelta, *, shortest: timedelta) -> timedelta:
        """Read a duration as Go writes it: 6h, 90m, 1h30m."""
        text = self.get(name)
        if text is None:
            return default
        match = _DURATION.fullmatch(text.lower())
        try:
            duration = timedelta(**{unit: int(n) for unit, n in match.groupdict("0").items()}) if match else None
        except (OverflowError, ValueError):  # too many digits
            duration = None
        if duration is None or duration < shortest:
            self.problem(name, f"is {text!r}; use a duration such as 90m, 1h30m or 6h, at least {shortest.seconds} s")
            return default
        return duration

    def http_url(self, name: str) -> str | None:
        """Read an http(s) URL."""
        text = self.get(name)
        if text is not None:
            try:
                parts = urlsplit(text)
            except ValueError:
                parts = urlsplit("")
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                self.problem(name, "must be a URL such as https://host")
        return text
