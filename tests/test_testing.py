import subprocess
import sys

import pytest

from rancher_ecr import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(testing, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        testing.nothing  # noqa: B018  # looking is the test


def test_a_memory_store_needs_no_extra() -> None:
    script = "import sys; from rancher_ecr.testing import MemoryStore; print({'werkzeug', 'pytest'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
