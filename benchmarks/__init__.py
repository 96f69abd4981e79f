"""Figures about the service that take longer than a test: `make bench`."""
