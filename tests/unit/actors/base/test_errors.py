"""The error tree."""

import pickle

import pytest

from actors.base import errors


def _tree(kind: type[errors.WeaverGenError]) -> list[type[errors.WeaverGenError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _tree(child))]


@pytest.mark.parametrize("kind", _tree(errors.WeaverGenError))
def test_errors_survive_pickling(kind: type[errors.WeaverGenError]) -> None:
    """An error that crosses a process boundary keeps its class, sentence, field, details and code."""
    error = pickle.loads(pickle.dumps(kind("say what to do", "field", {"votes": 3})))  # noqa: S301 - our own bytes
    assert type(error) is kind
    assert (str(error), error.param, error.details, error.code) == ("say what to do", "field", {"votes": 3}, kind.code)


@pytest.mark.parametrize("kind", _tree(errors.UnavailableError))
def test_when_to_come_back_survives_too(kind: type[errors.UnavailableError]) -> None:
    """With every argument, so that whoever makes it anew from them gets the same; unknown unless it is said."""
    error = kind("later", None, None, 30)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.retry_after_s, again.args) == (30, error.args)
    assert kind(*error.args).retry_after_s == 30
    assert kind("later").retry_after_s is None
