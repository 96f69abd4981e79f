from datetime import UTC, datetime

from rancher_ecr import AuthorizationToken, TokenSource
from rancher_ecr.sources.static import StaticTokenSource


def test_it_gives_the_same_logins_at_every_call_and_shows_no_password() -> None:
    login = AuthorizationToken(
        "https://registry.example.com",
        ("registry.example.com",),
        "me",
        "hunter2hunter2",
        datetime(2030, 1, 1, tzinfo=UTC),
    )
    source: TokenSource = StaticTokenSource([login, login], name="fixed")
    assert list(source.tokens()) == list(source.tokens()) == [login, login]
    assert source.name == "fixed"
    assert "hunter2" not in repr(source)
    assert list(StaticTokenSource(()).tokens()) == []
