"""The request as the core sees it."""

from actors.consensus.request import HELD_TO
from models.voter import Message
from tests.unit.actors.consensus.world import request


def test_the_question_is_the_last_user_turn() -> None:
    """Answers are read against what the user asked last."""
    turns = (Message("user", "first"), Message("assistant", "x"), Message("user", "second"), Message("assistant", "y"))
    assert request(messages=turns).question == "second"
    assert request(messages=(Message("system", "s"),)).question == ""


def test_voters_are_told_the_schema() -> None:
    """It stands in the system turn, behind what the caller wrote there; the user's turns stay as they are."""
    user, system = Message("user", "Who?"), Message("system", "Be brief.")
    assert request("Who?").asked == (user,)
    assert request("Who?", schema="{}").asked == (Message("system", f"{HELD_TO}\n{{}}"), user)
    told = request(messages=(system, user), schema="{}").asked
    assert told == (Message("system", f"Be brief.\n\n{HELD_TO}\n{{}}"), user)
