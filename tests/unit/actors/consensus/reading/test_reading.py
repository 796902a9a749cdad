"""Reading by kind."""

from actors.consensus.reading.reading import read_answer


def test_every_kind_names_its_method() -> None:
    """The method says how answers of the kind are compared, and prose never claims more than similarity."""
    assert read_answer("code:python", "q", "x = 1").method == "syntax"
    assert read_answer("code:go", "q", "```go\nx\n```").method == "syntax"
    assert read_answer("json", "q", "{}").method == "canonical"
    assert read_answer("value", "q?", "42").method == "value"
    assert read_answer("text", "q", "words").method == "similarity"


def test_unreadable_answers_say_why() -> None:
    """An empty or unparsable answer has no digest and a reason."""
    for kind, content in (("value", " \n"), ("json", "nope"), ("code:python", "nope!"), ("code:go", "nope")):
        reading = read_answer(kind, "q?", content)
        assert reading.sha256 == ""
        assert reading.why_invalid
