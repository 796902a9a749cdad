"""Snapshots that make no sense are refused whoever signed them."""

from collections.abc import Callable

import msgspec
import pytest

from actors.base.errors import IntegrityError
from actors.policy.snapshot import Calibration, Epochs, PolicySnapshot, WeightsRef
from actors.policy.wellformed import check_content

Change = Callable[..., PolicySnapshot]

BAD_LAYERS: dict[str, dict[str, object]] = {
    "no members": {"members": []},
    "too many members": {"members": [str(n) for n in range(65)]},
    "a member twice": {"members": ["a", "a"]},
    "quorum of nothing": {"quorum": "0"},
    "quorum above one": {"quorum": "1.000001"},
    "quorum no number": {"quorum": "most"},
    "no lineage": {"min_lineages": 0},
    "negative independence": {"min_n_eff": "-1"},
    "no time": {"time_share": "0.0"},
    "more than all the time": {"time_share": "1.1"},
}
BAD_FIELDS: dict[str, dict[str, object]] = {
    "version zero": {"version": 0},
    "first with a predecessor": {"prev_sha256": "ab" * 32},
    "later without a predecessor": {"version": 2},
    "predecessor no digest": {"version": 2, "prev_sha256": "AB" * 32},
    "weights no digest": {"weights": WeightsRef("")},
    "no layers": {"layers": []},
    "threshold no number": {"thresholds": {"similarity": "high"}},
    "threshold below nothing": {"thresholds": {"min_gap": "-0.1"}},
    "threshold above all": {"thresholds": {"min_correlation": "1.000001"}},
    "error of no consensus": {"calibration": {"direct": Calibration("0.05", "measured")}},
    "error no share": {"calibration": {"strict": Calibration("1.5", "measured")}},
    "error no number": {"calibration": {"strict": Calibration("little", "measured")}},
    "error from nowhere": {"calibration": {"strict": Calibration("0.05", "")}},
    "error with a story": {"calibration": {"strict": Calibration("0.05", "x" * 301)}},
    "negative epoch": {"invalidation_epochs": Epochs({}, {}, {"t": -1})},
}


def test_a_sensible_snapshot_passes(base: PolicySnapshot, change: Change) -> None:
    """The first snapshot and a later one are both taken as they are."""
    later = change(version=2, prev_sha256="ab" * 32, calibration={"strict": Calibration("0.05", "x" * 300)})
    assert [check_content(base), check_content(later)] == [base, later]


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_bad_fields(change: Change, name: str) -> None:
    """Each broken field is refused as bad content."""
    with pytest.raises(IntegrityError) as caught:
        check_content(change(**BAD_FIELDS[name]))
    assert caught.value.param == "policy content"


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_bad_layers(base: PolicySnapshot, change: Change, name: str) -> None:
    """Each broken layer is refused as bad content, in whichever layer it is."""
    broken = msgspec.structs.replace(base.layers[1], **BAD_LAYERS[name])
    with pytest.raises(IntegrityError) as caught:
        check_content(change(layers=[base.layers[0], broken]))
    assert caught.value.param == "policy content"


def test_layer_names_are_unique_and_few(base: PolicySnapshot, change: Change) -> None:
    """Two layers of one name, or more than sixteen, are refused."""
    many = [msgspec.structs.replace(base.layers[0], name=str(n)) for n in range(17)]
    for layers in ([base.layers[0], base.layers[0]], many):
        with pytest.raises(IntegrityError, match="layers"):
            check_content(change(layers=layers))
