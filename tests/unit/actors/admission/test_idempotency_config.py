"""Bounds of kept answers that have to hold together."""

import pytest
from pydantic import ValidationError

from actors.admission.idempotency_config import IdempotencyConfig
from actors.admission.sealing import BOX_BYTES, TenantKeys, seal


@pytest.mark.parametrize(("lease_s", "timeout_s"), [(3, 1), (15, 5), (30, 10)])
def test_a_lease_outlasts_its_own_renewal(lease_s: float, timeout_s: float) -> None:
    """Three times what the database may take is the least; below it a claim would lapse while it is made."""
    assert IdempotencyConfig(lease_s=lease_s, timeout_s=timeout_s).lease_s == lease_s
    with pytest.raises(ValidationError, match="at least 3 times timeout_s"):
        IdempotencyConfig(lease_s=lease_s, timeout_s=lease_s / 3 + 0.01)


def test_one_answer_fits_in_any_case() -> None:
    """What is kept for an API key takes the largest answer, sealed."""
    box = seal(TenantKeys(bytes(32), bytes(32)), bytes(12), bytes(2048), b"")
    assert len(box) == 2048 + BOX_BYTES
    assert IdempotencyConfig(max_answer_bytes=2048, max_kept_bytes=len(box)).max_kept_bytes == len(box)
    with pytest.raises(ValidationError, match=f"at least {len(box)}"):
        IdempotencyConfig(max_answer_bytes=2048, max_kept_bytes=len(box) - 1)
