"""The gauge of open incidents."""

from actors.base.errors import StorageUnavailable
from serve_apps.gateway.open_incidents import OpenIncidents


async def test_the_last_count_stays_while_the_database_is_away() -> None:
    """Unknown is no gauge, and a failed count takes nothing back; why it failed is known until one succeeds."""
    away, full = StorageUnavailable("away"), StorageUnavailable("state database … failed", details={"cause": "full"})
    answers: list[int | Exception] = [away, 2, full, 0]

    def count() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = OpenIncidents(count)
    shown, problems = [watch.gauges()], list[str]()
    while answers:
        await watch.look()
        shown.append(watch.gauges())
        problems.append(watch.problem)
    two = {"incidents_open": 2.0}
    assert shown == [{}, {}, two, two, {"incidents_open": 0.0}]
    assert problems == ["away", "", "full", ""]
