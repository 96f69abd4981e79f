import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rancher_ecr
from rancher_ecr import protocols

PACKAGE = Path(inspect.getfile(rancher_ecr)).parent


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60).stdout


def test_importing_the_package_loads_no_client() -> None:
    loaded = set(run("import sys, rancher_ecr; print(*sys.modules)").split())
    assert "rancher_ecr.syncer" in loaded
    assert not loaded & {"botocore", "boto3", "requests", "urllib3", "werkzeug", "prometheus_client", "pytest"}


def test_importing_the_package_starts_no_thread_and_prints_nothing() -> None:
    assert run("import rancher_ecr, threading; assert threading.active_count() == 1") == ""


def test_all_is_sorted_and_complete() -> None:
    imported = [
        alias.asname or alias.name
        for node in ast.parse(inspect.getsource(rancher_ecr)).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert rancher_ecr.__all__ == sorted(imported)
    assert all(hasattr(rancher_ecr, name) for name in rancher_ecr.__all__)
    assert len(set(imported)) == len(imported)


def test_the_types_ship() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("module", ["errors", "model", "protocols", "plan", "syncer", "_sync", "_crew", "redaction"])
def test_the_core_imports_nothing_but_itself_and_attrs(module: str) -> None:
    core = {f"rancher_ecr.{name}" for name in ("errors", "model", "protocols", "plan", "_crew", "_sync", "syncer")}
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name in core or name == "attrs" or name.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("module", ["errors", "model", "protocols", "plan"])
def test_what_decides_does_not_look_at_the_clock_or_the_environment(module: str) -> None:
    names = {
        node.id for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())) if isinstance(node, ast.Name)
    }
    assert not names & {"os", "time", "open", "print", "socket", "threading", "logging"}


def test_the_protocols_hold_no_code() -> None:
    for node in ast.walk(ast.parse(inspect.getsource(protocols))):
        if isinstance(node, ast.FunctionDef):
            assert [type(statement) for statement in node.body] == [ast.Expr], node.name
