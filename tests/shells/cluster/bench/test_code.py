"""The requests for code."""

import json

from cluster.bench.code import bodies, target_of
from cluster.bench.code_answers import NUMBERS, OTHER_ANSWERS, SAME_ANSWERS, STEP, question
from cluster.bench.code_page import DIFFERS, JSON, NEW, ROWS, SAME, TEXT
from cluster.bench.figures import LITELLM
from cluster.bench.load import NUMBER, Numbers, Target

TEMPLATE = Target("http://h/v1/chat/completions", '{"model": "m"}', {"Authorization": "Bearer k"})


def test_every_row_has_a_request_that_goes_where_its_template_goes() -> None:
    """With the template's model and key."""
    assert bodies().keys() == set(ROWS)
    for row in ROWS:
        target = target_of(TEMPLATE, row)
        assert (target.url, target.headers) == (TEMPLATE.url, TEMPLATE.headers)
        assert json.loads(target.body.replace(NUMBER, "5"))["model"] == "m"


def test_a_numbered_request_asks_for_and_seeds_with_its_number() -> None:
    """The seed is a number, and the same as the question's."""
    target = target_of(TEMPLATE, NEW)
    body = json.loads(target.body.replace(NUMBER, "8"))
    assert (body["seed"], body["messages"][0]["content"]) == (8, question(8))
    assert target.numbers == Numbers(SAME_ANSWERS, STEP, NUMBERS)


def test_only_what_differs_takes_the_numbers_of_several_ways() -> None:
    """The peer passes on the same questions as our row of new code."""
    assert target_of(TEMPLATE, DIFFERS).numbers == Numbers(OTHER_ANSWERS, STEP, NUMBERS)
    assert target_of(TEMPLATE, LITELLM) == target_of(TEMPLATE, NEW)


def test_before_is_the_same_question_asked_for_as_text() -> None:
    """Nothing but the kind is another; neither has numbers."""
    same, text, plain = (target_of(TEMPLATE, row) for row in (SAME, TEXT, JSON))
    assert json.loads(text.body) == json.loads(same.body) | {"weavergen": {"answer_kind": "text"}}
    assert (same.numbers, text.numbers, plain.numbers) == (None, None, None)
