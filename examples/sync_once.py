"""Sync once from a script of your own, and say what was done: needs the same environment variables as the service."""

import sys

from rancher_ecr import SettingsError, SyncError
from rancher_ecr.wiring import from_env


def main() -> int:
    """Return 0 when every login was delivered."""
    try:
        report = from_env().sync()
        for outcome in report.outcomes:
            print(outcome)
        report.raise_for_failures()
    except (SettingsError, SyncError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
