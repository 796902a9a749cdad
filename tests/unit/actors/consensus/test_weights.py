"""The weights file."""

import msgspec
import pytest

from actors.base.errors import IntegrityError
from actors.consensus.independence import Pair
from actors.consensus.weights import (
    Correlation,
    Reliability,
    default_weights,
    lineage_pairs,
    read_weights,
    weight_micro,
)


def test_defaults_round_trip_and_weigh_everyone_alike() -> None:
    """Before anything was learned every voter weighs one half on every kind."""
    weights = read_weights(default_weights([("a", "la"), ("b", "lb")]))
    assert weight_micro(weights, "a", "value") == weight_micro(weights, "unknown", "json") == 500_000
    assert weights.lineages == {"a": "la", "b": "lb"}


def test_learned_counts_beat_the_prior() -> None:
    """A voter's own counts on a kind decide; ``*`` stands for kinds without counts of their own."""
    base = read_weights(default_weights([("a", "a")]))
    counts = {"value": Reliability("9.000000", "1.000000", 8), "*": Reliability("1.000000", "3.000000", 2)}
    learned = type(base)(**{f: getattr(base, f) for f in base.__struct_fields__} | {"voters": {"a": counts}})
    assert weight_micro(learned, "a", "value") == 900_000
    assert weight_micro(learned, "a", "json") == 250_000


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"alpha":"1.000000"', '"alpha":"-1.000000"'),
        ('"alpha":"1.000000"', '"alpha":"x"'),
        ('"0.500000"', '"1.500000"'),
    ],
)
def test_numbers_out_of_bounds_are_refused(good: str, bad: str) -> None:
    """What could not be counted with is refused when it is read, not in the middle of a request."""
    with pytest.raises(IntegrityError):
        read_weights(default_weights([("a", "a")]).replace(good.encode(), bad.encode()))


def test_a_tampered_file_is_refused() -> None:
    """Unknown keys, floats and other layouts are not a weights file."""
    data = default_weights([("a", "a")])
    for bad in (data + b" ", data.replace(b'"version":0', b'"version":0.5'), b"{}", b"\xff"):
        with pytest.raises(IntegrityError):
            read_weights(bad)


def test_two_lineages_correlate_as_their_most_correlated_voters() -> None:
    """A pair of voters that is not named has the mean; nothing is below the least; voters of one lineage are no pair."""
    known = Correlation(
        pairs={"a|c": "0.200000", "b|c": "0.900000", "a|b": "1.000000", "c|d": "0.100000"}, rho="0.500000", n=9
    )
    weights = msgspec.structs.replace(read_weights(default_weights([])), correlation=known)
    of = {"d": "O", "c": "N", "b": "M", "a": "M"}
    assert lineage_pairs(weights, of, 150_000) == (
        Pair("M", "N", 900_000), Pair("M", "O", 500_000), Pair("N", "O", 150_000),
    )  # fmt: skip
    assert lineage_pairs(read_weights(default_weights([])), of, 0) == ()
