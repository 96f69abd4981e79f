"""A Cattle server (Rancher 1.6, or PastureStack's engine) in this process, true to recordings of real ones.

state.py      what the server remembers, its states in passing, the login a pull gets
keys.py       who may do what
schemas.py    fields, lengths, what a role sees of them (schemas.json: as measured)
listing.py    filters, order and pages
bodies.py     rows as JSON: links, actions, fields
changes.py    create, update, delete, actions
message.py    requests and answers: URLs, headers, errors
wire.py       one request to one answer
faults.py     lost, late, cut and wrong answers
gate.py       the WSGI application: order of arrival, latency, faults, log
server.py     on a socket           adapter.py   in a requests.Session
simulator.py  CattleSimulator, which holds them together; values.py what it hands out
"""

from rancher_ecr.testing.cattle.adapter import WSGIAdapter
from rancher_ecr.testing.cattle.faults import (
    ConnectionCutError,
    Faults,
    Request,
    Rule,
    answer,
    delay,
    every,
    lose_answer,
    lose_request,
    nth,
    truncate,
    writes,
)
from rancher_ecr.testing.cattle.simulator import CattleSimulator
from rancher_ecr.testing.cattle.state import Login
from rancher_ecr.testing.cattle.values import Key, StoredCredential, StoredRegistry

__all__ = [
    "CattleSimulator",
    "ConnectionCutError",
    "Faults",
    "Key",
    "Login",
    "Request",
    "Rule",
    "StoredCredential",
    "StoredRegistry",
    "WSGIAdapter",
    "answer",
    "delay",
    "every",
    "lose_answer",
    "lose_request",
    "nth",
    "truncate",
    "writes",
]
