"""Arguments, output and exit codes of `python -m rancher_ecr`. Tiny: what the commands do is elsewhere."""

import argparse
import os
import signal
import sys
import textwrap
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rancher_ecr import __version__
from rancher_ecr.errors import SettingsError
from rancher_ecr.model import Report
from rancher_ecr.redaction import Secrets
from rancher_ecr.settings import VARIABLES, Settings
from rancher_ecr.syncer import Syncer

if TYPE_CHECKING:
    from rancher_ecr.service import Service

OK, NOT_DELIVERED, WRONG_SETTINGS = 0, 1, 2

_COMMANDS = {
    "run": "keep the logins fresh until stopped (the default)",
    "once": "sync once and say what was done",
    "check": "look at everything and say what a sync would do; writes nothing",
    "demo": "watch a sync between an embedded AWS and an embedded Rancher, on loopback only",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 all well, 1 something not delivered, 2 wrong settings."""
    arguments = _parse(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a registry's address may be any text
    if arguments.command == "demo":
        from rancher_ecr import demo  # noqa: PLC0415  # needs the extra `testing`, which only the demo may ask for

        return demo.main()
    if arguments.command == "run":  # the service has handlers of its own, once it is loaded
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(OK))
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from rancher_ecr import logs, wiring  # noqa: PLC0415  # loads botocore and requests, which --help does not need

    wiring.drop_blank_aws_variables(os.environ)
    try:
        settings = wiring.read_settings(os.environ)
        secrets = wiring.known_secrets(os.environ, settings)
        logs.configure(settings.log_level, settings.log_format, secrets)
        if arguments.command == "run":
            return _run(wiring.make_service(settings, secrets), settings)
        syncer = wiring.make_syncer(settings, secrets)
    except SettingsError as error:
        for problem in error.problems:
            print(f"rancher_ecr: {problem}", file=sys.stderr)
        return WRONG_SETTINGS
    return _once(syncer, secrets, dry_run=arguments.dry_run or arguments.command == "check")


def _run(service: "Service", settings: Settings) -> int:
    from rancher_ecr.listener import Listener, open_socket  # noqa: PLC0415  # --help does not need it
    from rancher_ecr.service import serve  # noqa: PLC0415  # as above

    port = settings.listen_port
    sock = None if port is None else open_socket(port, asked=settings.listen_port_asked)
    if sock is None:
        serve(service)
    else:
        listener = Listener(sock, service.answer)
        listener.start()
        serve(service)
        listener.close()
    return OK


def _once(syncer: Syncer, secrets: Secrets, *, dry_run: bool) -> int:
    try:
        report = syncer.sync(dry_run=dry_run)
    except Exception:  # noqa: BLE001  # a bug: its traceback is shown, but foreign code may have put a secret into it
        print(secrets.scrub(traceback.format_exc()), file=sys.stderr)
        return NOT_DELIVERED
    _print_report(report)
    return OK if report.ok else NOT_DELIVERED


def _print_report(report: Report) -> None:
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for outcome in report.outcomes:
        prefix = "would be: " if report.dry_run and outcome.delivered else ""
        print(f"{prefix}{outcome}", file=sys.stdout if outcome.ok else sys.stderr)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rancher-ecr",
        description="Keeps Amazon ECR logins in Rancher 1.x fresh. Everything is set by environment variables.",
        epilog=_describe_variables(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = "; ".join(f"{name}: {meaning}" for name, meaning in _COMMANDS.items())
    parser.add_argument("command", nargs="?", choices=_COMMANDS, default="run", metavar="command", help=commands)
    parser.add_argument("--dry-run", action="store_true", help="with once: write nothing, say what would be done")
    parser.add_argument("--version", action="version", version=f"rancher-ecr {__version__}")
    arguments = parser.parse_args(argv)
    if arguments.dry_run and arguments.command not in {"once", "check"}:
        parser.error("--dry-run goes with once or check")  # never write when somebody asked not to
    return arguments


def _describe_variables() -> str:
    width = max(len(variable.name) for variable in VARIABLES) + 2
    lines = [
        f"  {variable.name:<{width}}{variable.meaning}" + (f" [{variable.default}]" if variable.default else "")
        for variable in VARIABLES
    ]
    note = (
        "AWS credentials, profiles, endpoints, FIPS, dual-stack and retries: botocore's own variables. Proxies: "
        "HTTP_PROXY, HTTPS_PROXY, NO_PROXY. A blank variable counts as unset."
    )
    return "\n".join(["environment variables:", *lines, "", *textwrap.wrap(note, 100)])


if __name__ == "__main__":
    sys.exit(main())
