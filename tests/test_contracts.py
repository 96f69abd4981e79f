from typing import ClassVar

from stores import GroupedContract, MemoryContract


class TestMemoryStore(MemoryContract):
    many: ClassVar[int] = 1100


class TestGroupedStore(GroupedContract):
    many: ClassVar[int] = 1100
