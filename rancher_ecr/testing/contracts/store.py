"""The contract of a RegistryStore, as a pytest class: what protocols.py promises, and nothing of one store's own."""

from rancher_ecr.testing.contracts._store_creating import CreatingContract
from rancher_ecr.testing.contracts._store_failing import FailingContract
from rancher_ecr.testing.contracts._store_hooks import Login
from rancher_ecr.testing.contracts._store_listing import ListingContract
from rancher_ecr.testing.contracts._store_together import TogetherContract
from rancher_ecr.testing.contracts._store_writing import WritingContract

__all__ = ["Login", "RegistryStoreContract"]


class RegistryStoreContract(ListingContract, WritingContract, CreatingContract, TogetherContract, FailingContract):
    """What every RegistryStore must do.

    A subclass in a test file proves a store::

        class TestMyStore(RegistryStoreContract):
            def make_store(self, logins):
                self.server = MyServer(logins)
                return MyStore(self.server)

            def pull(self, host):
                return self.server.login_for(host)

    These two are required. The other hooks make more of the promises testable; what they would show is skipped, with
    the hook's name, until they are there.

    Attributes:
        holds_vacant: False for a server on which there is no registry without a login.
        many: registries in a listing that must come out complete; set it above the server's largest page.
        faults: names of the ways in which `break_server` can break the server, such as a lost request, a lost answer,
            a page of HTML, an error that quotes what was sent.
    """
