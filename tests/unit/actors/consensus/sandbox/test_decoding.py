"""Frames of the harness are read strictly, whatever a candidate wrote into them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.sandbox.decoding import Frame, read, unmade, well_formed
from actors.consensus.sandbox.protocol import Job, Observed, Ran

JOB = Job("x = 1", ("f(1)", "f(2)"))
NOT_RUN = Observed("not_run")
ONE = Observed("value", ["i", "1"])


def record(end: str, content: Any, arguments: list[Any] | None = None, printed: str = "") -> Frame:
    """Return a record as the harness writes it."""
    return Frame(b"R", json.dumps([end, content, arguments or [], printed]).encode())


LOADED = record("v", None)
FIRST = record("v", ["i", "1"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers().map(lambda number: ["i", str(number)]),
    st.floats().map(lambda number: ["f", repr(number)]),
    st.complex_numbers().map(lambda number: ["c", repr(number.real), repr(number.imag)]),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: ["s", text]),
    st.binary().map(lambda data: ["b", data.hex()]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("ltSF"), st.lists(inner)).map(list),
        st.lists(st.tuples(inner, inner).map(list)).map(lambda pairs: ["d", pairs]),
    ),
    max_leaves=20,
)


def test_a_job_that_ran() -> None:
    """Values, exceptions, arguments and output come out as they were observed."""
    seen = read(JOB, [LOADED, record("v", ["l", [["i", "1"]]], [["i", "2"]], "hi"), record("e", "KeyError")])
    value = Observed("value", ["l", [["i", "1"]]], arguments=(["i", "2"],), printed="hi")
    assert seen == Ran("ran", (value, Observed("exception", exception="KeyError")))


def test_a_top_level_that_raised() -> None:
    """No call was made, and the exception's class is told."""
    assert read(JOB, [record("e", "NameError")]) == Ran("failed", (NOT_RUN, NOT_RUN), "NameError")


@pytest.mark.parametrize(("letter", "end"), [(b"T", "timeout"), (b"C", "crash"), (b"Q", "crash")])
def test_a_job_that_broke_off(letter: bytes, end: Any) -> None:
    """It ends as what broke it off; what was observed before stays, what came after was not run."""
    assert read(JOB, [Frame(letter)]) == Ran(end, (NOT_RUN, NOT_RUN), "in the code's top level")
    assert read(JOB, [LOADED, FIRST, Frame(letter)]) == Ran(end, (ONE, Observed(end)), "in call 2 of 2")
    assert read(JOB, [LOADED, Frame(letter)]) == Ran(end, (Observed(end), NOT_RUN), "in call 1 of 2")


def test_missing_frames_are_a_crash() -> None:
    """A harness that says nothing vouches for nothing."""
    assert read(JOB, []).end == "crash"
    assert read(JOB, [LOADED, FIRST]) == Ran("crash", (ONE, Observed("crash")), "in call 2 of 2")


def test_too_many_records_are_a_crash() -> None:
    """If there are more records than calls, none can be told to belong to its call."""
    assert read(JOB, [LOADED, FIRST, FIRST, FIRST]) == Ran("crash", (NOT_RUN, NOT_RUN), "more records than calls")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'["v",["i","1"],[]]',
        b'["v",["i","1"],[],"",1]',
        b'["v",["i","1"],[],1]',
        b'["v",["i","1"],{},""]',
        b'["w",["i","1"],[],""]',
        b'["v",["i",1],[],""]',
        b'["v",["i","01"],[],""]',
        b'["v",["i","1_0"],[],""]',
        '["v",["i","١"],[],""]'.encode(),
        b'["v",["i","' + b"9" * 5000 + b'"],[],""]',
        b'["v",["f","1"],[],""]',
        b'["v",["f","0x1p3"],[],""]',
        b'["v",["b","0"],[],""]',
        b'["v",["c","1.0"],[],""]',
        b'["v",["q","1"],[],""]',
        b'["v",["l",{}],[],""]',
        b'["v",["d",[[null]]],[],""]',
        b'["v",["x","' + b"n" * 101 + b'"],[],""]',
        b'["v",1,[],""]',
        b'["v","1",[],""]',
        b'["v",["l",[1]],[],""]',
        b'["v",null,[1],""]',
        b'["e",null,[],""]',
        b'["e","' + b"E" * 101 + b'",[],""]',
        b'["v",' + b'["l",[' * 200 + b"]]" * 200 + b',[],""]',
        b'["v",' + b"[" * 100_000 + b"]" * 100_000 + b',[],""]',
        b'["v",["s","\\ud800"],[],""]',
        b"\xff\xfe",
        b'["v",["i","1"],[],""] ["v"]',
    ],
)
def test_a_malformed_record_is_a_crash(content: bytes) -> None:
    """Whatever is not exactly a record makes its call a crash and ends the job; nothing is raised."""
    assert read(JOB, [LOADED, Frame(b"R", content)]) == Ran("crash", (Observed("crash"), NOT_RUN), "in call 1 of 2")


@given(st.lists(st.tuples(st.sampled_from([b"R", b"T", b"C", b"E"]), st.binary(max_size=40))))
def test_no_frames_raise(frames: list[tuple[bytes, bytes]]) -> None:
    """Any frames give an outcome with one observation a call."""
    ran = read(JOB, [Frame(letter, content) for letter, content in frames])
    assert len(ran.calls) == len(JOB.calls)
    assert ran.end != "unavailable"


@given(VALUES)
def test_every_value_that_can_be_written_down_is_read(encoded: Any) -> None:
    """Values of all built-in types pass unchanged."""
    assert well_formed(encoded)
    assert read(Job("", ("f()",)), [LOADED, record("v", encoded)]).calls[0].value == encoded


def test_a_job_of_which_no_call_was_made() -> None:
    """There is still one observation a call."""
    assert unmade(JOB, "unavailable", "why") == Ran("unavailable", (NOT_RUN, NOT_RUN), "why")
