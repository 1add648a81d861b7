"""Ports: free, different, the same again, and a taken one refused by name."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from catalog.errors import UserError
from components.local.ports import FIRST, LAST, choose

NAMES = {"registry": 0, "router": 0, "ledger": 0}


def test_chosen_ports_differ_and_lie_in_the_range() -> None:
    chosen = choose(Path("/some/where"), NAMES)
    assert len(set(chosen.values())) == 3
    assert all(FIRST <= port <= LAST for port in chosen.values())


def test_the_same_folder_gets_the_same_ports_while_they_are_free() -> None:
    assert choose(Path("/some/where"), NAMES) == choose(Path("/some/where"), NAMES)
    assert choose(Path("/some/where"), NAMES) != choose(Path("/some/where/else"), NAMES)


def test_a_port_in_use_is_passed_over() -> None:
    first = choose(Path("/a"), {"x": 0})["x"]
    with socket.create_server(("127.0.0.1", first)):
        assert choose(Path("/a"), {"x": 0})["x"] != first


def test_a_port_that_somebody_reserved_is_passed_over() -> None:
    first = choose(Path("/a"), {"x": 0})["x"]
    assert choose(Path("/a"), {"x": 0}, taken=[first])["x"] != first


def test_a_wanted_port_that_is_taken_is_refused_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"skywright:local.ports.router is {port}"):
            choose(Path("/a"), {"registry": 0, "router": port})
