"""For authors of stores and sources: a Cattle server to test against. Needs the extra `testing`."""

from rancher_ecr.testing.cattle import CattleSimulator, Key, Login, WSGIAdapter

__all__ = ["CattleSimulator", "Key", "Login", "WSGIAdapter"]
