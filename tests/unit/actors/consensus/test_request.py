"""The request as the core sees it."""

from models.voter import Message
from tests.unit.actors.consensus.world import request


def test_the_question_is_the_last_user_turn() -> None:
    """Answers are read against what the user asked last."""
    turns = (Message("user", "first"), Message("assistant", "x"), Message("user", "second"), Message("assistant", "y"))
    assert request(messages=turns).question == "second"
    assert request(messages=(Message("system", "s"),)).question == ""
