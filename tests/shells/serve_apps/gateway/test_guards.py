"""Replicas' guards over one folder: what one sees makes others stricter at most, what an operator forces holds in all."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.base import files
from actors.base.ports import IncidentLevel
from actors.consensus.breakers.config import BreakerConfig, OutlierConfig, RetryConfig
from actors.spans.span import Span
from models.errors import CircuitBreakerOpenError, VoterFailed
from models.voter import Message, Sampling, VoterRequest
from serve_apps.gateway.guards import FRESH_S, Guards, force
from tests.unit.actors.consensus.adapters.guards import Clock
from tests.unit.actors.consensus.world import FunctionVoter, raises, says, voter

REQUEST = VoterRequest("r", (Message("user", "q"),), Sampling(max_tokens=1))
CONFIG = BreakerConfig(
    window_calls=6, minimum_calls=6, retries=RetryConfig(max_retries=0), outliers=OutlierConfig(enabled=False)
)


class Replica:
    """The guards of one replica and what they told."""

    def __init__(
        self, name: str, folder: Path, *voters: FunctionVoter, layers: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        self.incidents: list[tuple[str, str]] = []
        self.spans: list[Span] = []
        self.clock = Clock()
        self.voters = {v.info.id: v for v in voters}
        self.guards = Guards(self.voters, layers, CONFIG, self.clock, self, self.spans.append, folder, name)

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Note an incident."""
        self.incidents.append((kind, dedup_key))

    async def fails(self, times: int, name: str = "a") -> None:
        """Ask a voter that fails."""
        for _ in range(times):
            with pytest.raises(VoterFailed):
                await self.guards.voters[name].ask(REQUEST)

    def state(self, name: str = "a") -> str:
        """Return a breaker's state."""
        return {shown.voter: shown.state for shown in self.guards.shown()}[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where reports lie."""
    made = tmp_path / "breakers"
    made.mkdir()
    return made


def failing(name: str, folder: Path) -> Replica:
    """Return a replica with one voter that fails and one that answers."""
    return Replica(name, folder, voter("a", raises(VoterFailed("a", "down"))), voter("b", says("x")))


async def test_an_opening_is_an_incident_a_span_and_a_count(folder: Path) -> None:
    """And the voter is not asked any more; what it was asked is on show."""
    replica = failing("one", folder)
    await replica.fails(5)
    assert (replica.incidents, replica.guards.denying()) == ([], [])
    await replica.fails(1)
    assert replica.incidents == [("circuit_breaker_opened", "circuit_breaker_opened:a")]
    assert replica.guards.states() == {"a": 2, "b": 0}
    assert [(span.name, span.voter, span.outcome) for span in replica.spans] == [("weavergen.breaker", "a", "open")]
    with pytest.raises(CircuitBreakerOpenError):
        await replica.guards.voters["a"].ask(REQUEST)
    assert replica.voters["a"].asked == 6
    assert replica.guards.denying() == ["a"]
    shown = replica.guards.gauges()
    assert (shown["breakers_open"], shown["breakers_closed"], shown["breaker_moves"]) == (1.0, 1.0, 1.0)


async def test_what_replicas_saw_together_opens_both(folder: Path) -> None:
    """Three failures each are too few for either and enough for both; a voter that only one of them knows is passed over."""
    one, two = failing("one", folder), failing("two", folder)
    await one.fails(3)
    await two.fails(3)
    for replica in (one, two, one):
        await replica.guards.exchange()
    assert (one.state(), two.state(), one.state("b")) == ("open", "open", "closed")
    assert "replicas" in [span.attributes["weavergen.breaker.cause"] for span in one.spans + two.spans]


async def test_a_replica_that_is_well_loosens_nobody(folder: Path) -> None:
    """Its many good calls do not close or water down what another saw."""
    one = failing("one", folder)
    well = Replica("two", folder, voter("a", says("x")))
    for _ in range(50):
        await well.guards.voters["a"].ask(REQUEST)
    await one.fails(6)
    for _ in range(3):
        await well.guards.exchange()
        await one.guards.exchange()
    assert one.state() == "open"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"a": 1}', b"\xff", b'{"a":{"counts":"x"}}'])
async def test_a_report_that_cannot_be_read_is_none(
    folder: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and everybody goes by what he sees himself."""
    replica = failing("one", folder)
    (folder / "two.json").write_bytes(data)
    await replica.guards.exchange()
    assert "two.json is no report" in caplog.text
    assert replica.state() == "closed"


async def test_a_report_of_a_replica_that_is_gone_counts_for_nothing(folder: Path) -> None:
    """An old one is not heard, and a very old one removed."""
    one, two = failing("one", folder), failing("two", folder)
    await one.fails(3)
    await two.fails(3)
    await two.guards.exchange()
    for age_s, left in ((FRESH_S + 1, True), (100 * FRESH_S + 1, False)):
        now_s = (folder / "two.json").stat().st_mtime
        os.utime(folder / "two.json", (now_s - age_s, now_s - age_s))
        await one.guards.exchange()
        assert one.state() == "closed"
        assert (folder / "two.json").exists() is left


async def test_what_an_operator_forces_holds_in_every_replica_until_it_is_let_go(folder: Path) -> None:
    """Also through a restart; letting go gives the breaker its own mind back."""
    one, two = failing("one", folder), failing("two", folder)
    force(folder, "b", "open")
    for replica in (one, two, failing("three", folder)):
        await replica.guards.exchange()
        with pytest.raises(CircuitBreakerOpenError):
            await replica.guards.voters["b"].ask(REQUEST)
        assert [s.forced for s in replica.guards.shown()] == ["", "open"]
    assert one.incidents == [("circuit_breaker_opened", "circuit_breaker_opened:b")]
    force(folder, "b", "none")
    await one.guards.exchange()
    assert (await one.guards.voters["b"].ask(REQUEST)).content == "x"


def test_what_an_operator_forces_outlives_a_loss_of_power(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's name is made durable with it, also where a replica's passing reports had it made before."""
    synced = list[Path]()
    monkeypatch.setattr(files, "sync_folder", synced.append)
    folder.mkdir(exist_ok=True)
    force(folder, "b", "open")
    assert synced == [folder.parent, folder]


async def test_a_damaged_note_of_what_is_forced_lets_nobody_go(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was forced stays so, and what an operator wants next is kept in its place."""
    replica = failing("one", folder)
    force(folder, "b", "open")
    await replica.guards.exchange()
    (folder / "forced.json").write_bytes(b"{")
    await replica.guards.exchange()
    assert "forced.json is no report" in caplog.text
    assert [shown.state for shown in replica.guards.shown()] == ["closed", "forced_open"]
    force(folder, "b", "none")
    await replica.guards.exchange()
    assert [shown.forced for shown in replica.guards.shown()] == ["", ""]


async def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every replica goes by what it sees itself, and says so."""
    (tmp_path / "file").write_text("")
    replica = failing("one", tmp_path / "file" / "breakers")
    await replica.guards.exchange()
    assert "cannot be compared" in caplog.text
    await replica.fails(6)
    assert replica.state() == "open"


async def test_voters_outside_every_layer_have_a_breaker_too(folder: Path) -> None:
    """They can be asked by name."""
    replica = Replica("one", folder, voter("a", says("x")), voter("b", says("y")), layers=(("a",),))
    assert [shown.voter for shown in replica.guards.shown()] == ["a", "b"]
    assert replica.guards.due_s("a", 10.0) is None
    assert replica.guards.due_s("nobody", 10.0) is None
    assert replica.guards.pay()
    assert (replica.guards.gauges()["hedges"], replica.guards.asks()) == (1.0, {"a": 0, "b": 0})
