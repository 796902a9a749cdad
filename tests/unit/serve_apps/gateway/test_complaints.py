"""The log tells why requests were refused, and is never flooded by it."""

import logging

import pytest

from actors.base.errors import NotReady, StorageUnavailable
from serve_apps.gateway.complaints import Complaints


def test_each_kind_is_told_at_once_and_then_seldom(caplog: pytest.LogCaptureFixture) -> None:
    """A second of the same kind waits for its period and is counted; another kind is told at once."""
    now_s = [100.0]
    complaints = Complaints(logging.getLogger("test"), period_s=10, clock=lambda: now_s[0])
    for after_s, error in (
        (0, StorageUnavailable("no space")), (1, StorageUnavailable("no space")), (2, NotReady("no policy")),
        (9.9, StorageUnavailable("still none")), (10, StorageUnavailable("a hung disk")),
    ):  # fmt: skip
        now_s[0] = 100 + after_s
        complaints.about(error)
    assert [record.getMessage() for record in caplog.records] == [
        "a request was refused, storage_unavailable: no space",
        "a request was refused, not_ready: no policy",
        "a request was refused, storage_unavailable: a hung disk (2 more before)",
    ]


def test_a_defect_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Any kind may have one."""
    Complaints(logging.getLogger("test")).tell("leases", "limits are shared with nobody", cause=ValueError("bad bytes"))
    assert "limits are shared with nobody" in caplog.text
    assert "ValueError: bad bytes" in caplog.text
