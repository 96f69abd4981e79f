"""That a RegistryStore writes what a pull gets, and loses nothing."""

from rancher_ecr.model import AuthorizationToken, Registry
from rancher_ecr.testing.contracts._store_hooks import HOSTS, NEW, StoreHooks, as_logins, by_ref, write_late
from rancher_ecr.testing.contracts.leaks import draw_token


class WritingContract(StoreHooks):
    """What `write` promises."""

    def test_what_is_written_is_what_a_pull_gets(self) -> None:
        """All registries of one ref at once, and no other is touched."""
        store, logins = self._make()
        for group in by_ref(store.registries()):
            tokens = {registry: draw_token(registry.server_address) for registry in group}
            store.write(tokens)
            logins |= as_logins(tokens)
            self._check_pulls(logins)

    def test_a_write_keeps_every_other_login(self) -> None:
        """Each registry alone, those that share its ref as well, and with a listing from before the other writes."""
        store, logins = self._make()
        for registry in store.registries():
            token = draw_token(registry.server_address)
            write_late(store, {registry: token})
            logins |= as_logins({registry: token})
            self._check_pulls(logins)

    def test_a_write_after_a_create_keeps_what_was_created(self) -> None:
        """Though the listing is from before."""
        store, logins = self._make()
        listing = store.registries()
        token = draw_token(NEW)
        store.create(NEW, token)
        logins[NEW] = (token.username, token.password)
        for group in by_ref(listing):
            tokens = {registry: draw_token(registry.server_address) for registry in group}
            write_late(store, tokens)
            logins |= as_logins(tokens)
        self._check_pulls(logins)
        self._check_listed(store, [*HOSTS, NEW])

    def test_a_write_fills_vacant_registries(self) -> None:
        """The server's object comes to hold a login, whether the others of its ref have one or not."""
        store = self._make_vacant()
        logins = {HOSTS[0]: self.pull(HOSTS[0])}
        for group in by_ref(store.registries()):
            tokens = {registry: draw_token(registry.server_address) for registry in group if registry.vacant}
            if tokens:
                store.write(tokens)
            logins |= as_logins(tokens)
            self._check_pulls(logins)
        self._check_listed(store, HOSTS)
        for registry in store.registries():
            assert not registry.vacant, f"{registry} holds a login now"
            assert registry.obstacle is None, f"{registry} is used at a pull"
        self._check_counts(HOSTS)

    def test_one_write_fills_and_updates(self) -> None:
        """A ref may hold logins for some of its registries and none for others."""
        store = self._make_vacant()
        tokens = {registry: draw_token(registry.server_address) for registry in store.registries()}
        for group in by_ref(tokens):
            store.write({registry: tokens[registry] for registry in group})
        self._check_pulls(as_logins(tokens))

    def test_filling_one_registry_leaves_the_others_vacant(self) -> None:
        """A login goes to its own host alone."""
        store = self._make_vacant()
        logins = dict.fromkeys(HOSTS[1:])
        for registry in store.registries():
            if registry.vacant:
                tokens = {registry: draw_token(registry.server_address)}
                write_late(store, tokens)
                logins |= as_logins(tokens)
                self._check_pulls(logins)

    def test_an_update_does_not_change_the_registry(self) -> None:
        """Listed again it equals what was listed before: that is how a syncer knows what it has written."""
        store, _ = self._make()
        before = set(store.registries())
        for group in by_ref(before):
            store.write({registry: draw_token(registry.server_address) for registry in group})
        assert set(store.registries()) == before, "a registry that was updated is listed as another one"

    def test_writing_the_same_again_changes_nothing(self) -> None:
        """With the old listing and with a new one."""
        store, _ = self._make()
        before = store.registries()
        tokens = {registry: draw_token(registry.server_address) for registry in before}
        for listing in (before, store.registries(), before):
            for group in by_ref(listing):
                write_late(store, {registry: tokens[registry] for registry in group})
        self._check_pulls(as_logins(tokens))
        assert set(store.registries()) == set(before), "a registry that was updated is listed as another one"
        self._check_counts(HOSTS)

    def test_filling_again_leaves_one_login(self) -> None:
        """As after a lost answer: the registry was vacant in the listing and is not any more."""
        store = self._make_vacant()
        groups = by_ref(store.registries())
        tokens: dict[Registry, AuthorizationToken] = {}
        for _ in range(2):
            for group in groups:
                tokens |= {registry: draw_token(registry.server_address) for registry in group}
                write_late(store, {registry: tokens[registry] for registry in group})
        self._check_pulls(as_logins(tokens))
        self._check_listed(store, HOSTS)
        self._check_counts(HOSTS)

    def test_the_last_write_counts(self) -> None:
        """Another user name replaces the stored one."""
        store, logins = self._make()
        for username in ("AWS", "oauth2accesstoken", "AWS"):
            for group in by_ref(store.registries()):
                tokens = {registry: draw_token(registry.server_address, username=username) for registry in group}
                store.write(tokens)
                logins |= as_logins(tokens)
        self._check_pulls(logins)
        self._check_counts(HOSTS)

    def test_one_token_may_serve_several_registries(self) -> None:
        """A host has synonyms."""
        store, _ = self._make()
        token = draw_token(*HOSTS)
        for group in by_ref(store.registries()):
            store.write(dict.fromkeys(group, token))
        self._check_pulls(dict.fromkeys(HOSTS, (token.username, token.password)))

    def test_long_passwords_arrive_whole(self) -> None:
        """ECR's have up to some 2,800 characters."""
        store, _ = self._make()
        registry = store.registries()[0]
        token = draw_token(registry.server_address, length=2800)
        store.write({registry: token})
        created = draw_token(NEW, length=2800)
        store.create(NEW, created)
        self._check_pulls(as_logins({registry: token}) | {NEW: (created.username, created.password)})
