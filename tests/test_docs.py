"""What the documents and examples show is true: blocks run, links lead somewhere, examples work."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from rancher_ecr import AuthorizationToken, Syncer, __version__
from rancher_ecr.sources.static import StaticTokenSource
from rancher_ecr.testing.aws import AWS
from rancher_ecr.testing.cattle import CattleSimulator

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
PYTHON_BLOCKS = [
    block
    for document in DOCUMENTS
    for block in re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    aws, rancher = AWS(), CattleSimulator()
    project = rancher.add_project("Default")
    rancher.add_credential(rancher.add_registry(project, HOST), "AWS", "stale")
    key = rancher.add_environment_key(project)
    with aws.serve() as aws_url, rancher.serve() as rancher_url:
        yield {
            "PATH": os.environ["PATH"],
            **aws.environment(aws_url),
            "AWS_REGION": "us-east-1",
            "CATTLE_URL": rancher_url,
            "CATTLE_ACCESS_KEY": key.access,
            "CATTLE_SECRET_KEY": key.secret,
        }


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_readme_shows_python() -> None:
    assert PYTHON_BLOCKS


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_blocks_run(block: str, environment: dict[str, str]) -> None:
    done = run("-c", block, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"`((?:rancher_ecr|examples|docs|tests|benchmarks)/[\w./-]*)`", document.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_example_script_works(environment: dict[str, str]) -> None:
    done = run("examples/sync_once.py", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{HOST} updated" in done.stdout
    done = run("examples/sync_once.py", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "CATTLE_URL" in done.stderr


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_store_works(tmp_path: Path) -> None:
    store = load(ROOT / "examples" / "own_store.py").DockerConfig(tmp_path / "config.json")
    expires_at = datetime.now(UTC) + timedelta(hours=12)
    tokens = [
        AuthorizationToken(f"https://{h}", (h,), "AWS", "a-password", expires_at) for h in ("a.example", "b.example")
    ]
    assert Syncer([StaticTokenSource(tokens)], [store], create_missing=True).sync().ok
    again = Syncer([StaticTokenSource(tokens[:1])], [store]).sync()
    assert again.ok
    assert [registry.address for registry in store.registries()] == ["a.example", "b.example"]


def test_the_wheel_holds_what_is_needed_and_nothing_else(tmp_path: Path) -> None:
    built = run("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), env=dict(os.environ))
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    listing = run("-m", "zipfile", "-l", str(wheel), env=dict(os.environ)).stdout
    names = [line.split()[0] for line in listing.splitlines()[1:]]
    assert {"rancher_ecr/py.typed", "rancher_ecr/testing/cattle/schemas.json"} <= set(names)
    assert [
        name for name in names if not name.startswith(("rancher_ecr/", f"rancher_ecr-{__version__}.dist-info/"))
    ] == []
    # From the wheel alone: isolated, so that the working tree is not on the path.
    script = f"import sys; sys.path.insert(0, {str(wheel)!r}); import rancher_ecr; print(rancher_ecr.__file__)"
    assert str(wheel) in run("-I", "-c", script, env=dict(os.environ)).stdout
