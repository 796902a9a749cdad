"""The one value an answer states, read against its question.

Rules, first match wins:
1. Only the line that states the value is read (``lines``).
2. Where the question offers a choice, or the answer negates or compares, the answer is compared whole, in order: only fillers
   ("it is the") go. One form of comparison is understood: "X is larger (than Y)" for "Which is larger, X or Y?" says X.
3. Otherwise the question's own words and function words go; what is left, in order, is the value: units, months, signs, scale
   and every other word beside a number stay. A unit goes only if it is what "how many" counts.
4. Where nothing is left, where a value stands on the wrong side of the verb ("Caesar killed Brutus"), or a "yes" repeats the
   question in another order, the answer is compared whole.
5. More than ``MAX_WORDS`` words of value (``MAX_WHOLE_WORDS`` of a whole answer) are no value.
Numbers lose zeros only where the question counts or calculates: elsewhere 3.10 is not 3.1.

Left out: dates and units in other notations, synonyms. In doubt two answers have two forms: that costs a ballot, whereas one
form too few would serve a wrong answer as agreement.
"""

from collections.abc import Iterable, Sequence

from actors.consensus.reading.asked import (
    ARTICLES,
    COPULAS,
    FILLERS,
    FUNCTION_WORDS,
    PAST,
    PREPOSITIONS,
    Asked,
    any_negates,
    root,
    take_apart,
)
from actors.consensus.reading.lines import stated
from actors.consensus.reading.tokens import is_number, plain_number

MAX_WORDS = 6
MAX_WHOLE_WORDS = 24
_MORE = frozenset("more less better worse".split())


def normal_value(question: str, content: str) -> str:
    """Return the normal form of the value that ``content`` gives for ``question``, or an empty string."""
    asked = take_apart(question)
    spoken = stated(asked, content)
    if not spoken:
        return ""
    if asked.calculates:
        spoken = [plain_number(token) if is_number(token) else token for token in spoken]
    whole = asked.offers_choice or "than" in spoken or any_negates(spoken)
    places = [] if whole else _value(asked, spoken)
    if not places or _turned_round(asked, spoken, places):
        return _bounded(_chosen(asked, spoken) or _result(asked, spoken) or _whole(spoken), MAX_WHOLE_WORDS)
    return _bounded([spoken[place] for place in places], MAX_WORDS)


def _bounded(words: Sequence[str], most: int) -> str:
    return " ".join(words) if len(words) <= most else ""


def _value(asked: Asked, spoken: Sequence[str]) -> list[int]:
    """Return the places of the words that the question does not hold."""
    places: list[int] = []
    beside_number = False  # whether the word before is a value's number, or a unit of it
    equation = spoken.index("=") if spoken.count("=") == 1 else -1
    for place, token in enumerate(spoken):
        if token in FUNCTION_WORDS or token in PAST:
            says = (token in PAST and asked.in_present) or (beside_number and place == len(spoken) - 1)
        elif token in PREPOSITIONS:
            says = not _points_back(asked, spoken, place)
        elif place == equation:
            says = bool(places)
        elif token in asked.exact or root(token) in asked.known:
            says = beside_number and root(token) not in asked.counted
        else:
            says = True
        if says:
            places.append(place)
        beside_number = says and (beside_number or is_number(token))
    return places


def _points_back(asked: Asked, spoken: Sequence[str], place: int) -> bool:
    """Tell whether a preposition belongs to words of the question, not to the value."""
    by_whom = spoken[place] == "by" and place > 0 and asked.verb and root(spoken[place - 1]) == asked.verb
    if by_whom or spoken[place] in asked.asks_with:
        return True
    following = next((token for token in spoken[place + 1 :] if token not in ARTICLES), "")
    return following in asked.exact or root(following) in asked.known


def _turned_round(asked: Asked, spoken: Sequence[str], places: Sequence[int]) -> bool:
    """Tell whether the question's words stand so that the value may not be what was asked for."""
    if len(places) == 1 and spoken[places[0]] == "yes":
        repeated = (token for token in spoken if token not in FUNCTION_WORDS)
        return not _in_order((base for base in map(root, repeated) if base in asked.known), asked.roots)
    if not _calculates_alike(asked, spoken):
        return True
    if not (asked.verb or asked.asks_for_object) or any(is_number(spoken[place]) for place in places):
        return False
    first, last = places[0], places[-1]
    if asked.verb:
        return not all(
            _is_subject(spoken, verb, first) for verb, token in enumerate(spoken) if root(token) == asked.verb
        )
    joined = spoken[last + 1 : last + 2] in (["is"], ["are"], ["was"], ["were"])
    return not joined and any(_inflected(asked, token) for token in spoken[last + 1 :])


def _calculates_alike(asked: Asked, spoken: Sequence[str]) -> bool:
    """Tell whether the numbers that an answer repeats stand in the question's order, where the result depends on it."""
    return not asked.subtracts or _in_order((token for token in spoken[:-1] if token in asked.numbers), asked.words)


def _is_subject(spoken: Sequence[str], verb: int, value: int) -> bool:
    """Tell whether the value at its place is who does what the verb says."""
    if spoken[verb + 1 : verb + 2] == ["by"]:
        return value > verb
    return value < verb or not COPULAS.isdisjoint(spoken[verb:value])


def _inflected(asked: Asked, token: str) -> bool:
    return token.isalpha() and token not in asked.words and token not in FUNCTION_WORDS and root(token) in asked.known


def _in_order(parts: Iterable[str], whole: Sequence[str]) -> bool:
    left = iter(whole)
    return all(part in left for part in parts)


def _whole(spoken: Sequence[str]) -> list[str]:
    return [token for token in spoken if token not in FILLERS]


def _result(asked: Asked, spoken: Sequence[str]) -> list[str]:
    """Return the number behind the one equals sign of a calculation that repeats the question ("7 times 1 is 7")."""
    signs = [token for token in spoken if token in COPULAS]
    if not asked.calculates or asked.offers_choice or len(signs) != 1 or not _calculates_alike(asked, spoken):
        return []
    repeats = len(spoken) > 2 and all(token in FILLERS or root(token) in asked.known for token in spoken[:-2])
    return [spoken[-1]] if spoken[-2] in COPULAS and is_number(spoken[-1]) and repeats else []


def _chosen(asked: Asked, spoken: Sequence[str]) -> list[str]:
    """Return X of "X is larger (than Y)" where the question has all of these words."""
    if any_negates(spoken) or any_negates(asked.words):
        return []
    said = [token for token in spoken if token not in ARTICLES]
    copula = next((place for place, token in enumerate(said) if token in COPULAS), 0)
    than = said.index("than") if "than" in said else len(said)
    subject, comparison, other = said[:copula], said[copula + 1 : than], said[than + 1 :]
    words = set(asked.words)
    if not subject or not 0 < len(comparison) <= 2 or not words.issuperset([*subject, *comparison, *other]):
        return []
    compares = any(token.endswith("er") or token in _MORE for token in comparison)
    return list(subject) if compares and set(subject).isdisjoint(other) and _MORE.isdisjoint(subject) else []
