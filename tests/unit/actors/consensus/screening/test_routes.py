"""How functions are entered."""

import pytest

from actors.consensus.screening.routes import entry_of
from actors.consensus.screening.screen import read


@pytest.mark.parametrize(
    ("code", "remote"),
    [
        ("@app.get('/<name>')\ndef f(name): ...", {"name"}),
        ("@app.get('/<int:n>')\ndef f(n): ...", set()),
        ("@app.get('/x')\ndef f(n: int, name: str, db: Session = None): ...", {"name"}),
        ("def f(request, name): ...", {"name"}),
        ("def lambda_handler(event, context): ...", {"event"}),
    ],
)
def test_clients_fill_the_parameters_of_routes(code: str, remote: set[str]) -> None:
    """Routes, views and cloud handlers get text from clients; numbers and injected objects are not text."""
    source = read(code)
    (function,) = source.functions.values()
    entry = entry_of(source, function)
    assert entry.is_route
    assert entry.remote == remote


def test_an_ordinary_function_is_entered_by_its_program() -> None:
    """Nothing in it is remote by itself."""
    source = read("def f(name): ...")
    entry = entry_of(source, source.functions["f"])
    assert (entry.is_route, entry.remote, entry.parameters) == (False, frozenset(), {"name"})
