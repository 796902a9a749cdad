"""What a question asks for, as far as reading a value out of an answer needs to know.

Rules:
- The question's own words may be left out of an answer that repeats them: "The capital of France is Paris" says "Paris".
- A question that offers a choice ("or", "than", a list, a negation) names the possible answers itself: nothing may be left out.
- Numbers are numbers, not names of versions, only where the question counts or calculates.
- Questions are taken apart once for all ballots of a request: a bounded few are remembered here, answers only by who reads them
  (``readable``), and nothing is written.
- A question of more than ``MAX_QUESTION_CHARS`` is not looked into: nothing may be left out.

Left out: understanding the question. In doubt it offers a choice, and answers are compared whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from actors.consensus.reading.tokens import is_number, tokens

MAX_QUESTION_CHARS = 4_096
MAX_REMEMBERED = 8  # times MAX_QUESTION_CHARS: what a process holds of questions already answered
NEGATIONS = frozenset(
    "no not never none nor neither without cannot hardly false incorrect wrong untrue unlike except instead rather".split()
)
ARTICLES = frozenset({"a", "an", "the"})
COPULAS = frozenset({"is", "are", "was", "were", "=", "equals"})
FILLERS = ARTICLES | frozenset(
    "is are be it it's its this that that's these those there here so well sure okay ok answer".split()
)
FUNCTION_WORDS = FILLERS | frozenset(
    "being in on at and do does did have has i you he she we they our your my who whom which what when where how called named"
    " known also would correct final result equals equal official officially primarily about approximately roughly exactly"
    " typically get gets make makes give gives produces creates yields".split()
)
PREPOSITIONS = frozenset("of by from to for with as".split())
PAST = frozenset({"was", "were", "had"})
_PRESENT = frozenset({"is", "are", "do", "does", "has", "have"})
_AUXILIARIES = PAST | _PRESENT | frozenset({"did", "can", "will", "would", "should", "be"})
_WH = frozenset("what which who whose whom when where how".split())
_CHOICES = frozenset("or than versus vs between either whom".split())
_CALCULATES = frozenset(
    "plus minus times divided multiplied sum product difference root squared cubed result calculate compute".split()
)
_SAME = {
    "×": "times", "*": "times", "x": "times", "+": "plus", "-": "minus", "÷": "divided",
    "I": "first", "II": "second", "III": "third", "1st": "first", "2nd": "second", "3rd": "third",
}  # fmt: skip
_FIRST_WH = re.compile(r"\b(?:what|which|who|whose|when|where|how)\b", re.IGNORECASE)
_LISTED = re.compile(r"^[ \t]*(?:[-*•]|\(?\w[.)])[ \t]", re.MULTILINE)
_OPERATION = re.compile(r"\d+(?:\.\d+)?[-+/^]\d+(?:\.\d+)?")
_INSTRUCTION = re.compile(r"\b(?:answer|reply|respond|give|please|use|write|only|just|say)\b", re.IGNORECASE)
_SUFFIXES = ("ing", "ed", "es", "s", "e")
_LAST_LETTERS = frozenset("gdse")


def negates(token: str) -> bool:
    """Tell whether a token turns what is said around."""
    return token in NEGATIONS or token.endswith(("n't", "N'T")) or token.casefold() in NEGATIONS


def any_negates(spoken: Sequence[str]) -> bool:
    """Tell whether one of the tokens turns what is said."""
    return not NEGATIONS.isdisjoint(spoken) or any(
        negates(token) for token in spoken if not token.islower() or "'" in token
    )


def root(token: str) -> str:
    """Return what a word and its inflections, or a sign and its word, have in common."""
    token = _SAME.get(token, token)
    if len(token) < 4 or token[0].isdigit():
        return token
    if "'" in token:
        token = token.removesuffix("'s").removesuffix("'")
    if token[-1] in _LAST_LETTERS:
        for suffix in _SUFFIXES:
            if token.endswith(suffix) and len(token) - len(suffix) >= 3:
                return token[: -len(suffix)]
    return token


@dataclass(frozen=True)
class Asked:
    """A question, taken apart."""

    question: str

    @cached_property
    def words(self) -> list[str]:
        """Its tokens in order."""
        return tokens(self.question.replace("?", " "))

    @cached_property
    def roots(self) -> list[str]:
        """Their roots."""
        return [root(word) for word in self.words]

    @cached_property
    def exact(self) -> frozenset[str]:
        """Its tokens, for a look before the roots are compared."""
        return frozenset(self.words)

    @cached_property
    def known(self) -> frozenset[str]:
        """The roots that an answer may repeat without saying anything."""
        return frozenset(self.roots)

    @cached_property
    def offers_choice(self) -> bool:
        """Whether the possible answers stand in the question itself."""
        words = set(self.words)
        if not words or not _CHOICES.isdisjoint(words) or any(map(negates, words)):
            return True
        if not words.isdisjoint({"which", "who"}) and ("and" in words or self._which_of):
            return True
        return self._lists

    @property
    def _which_of(self) -> bool:
        return any(pair in {("which", "of"), ("who", "of")} for pair in zip(self.words, self.words[1:], strict=False))

    @property
    def _lists(self) -> bool:
        begin = _FIRST_WH.search(self.question)
        sentence, _, rest = self.question[begin.start() if begin else 0 :].partition("?")
        if _separates(sentence) or len(_LISTED.findall(self.question)) > 1:
            return True
        return _separates(rest) and _INSTRUCTION.search(rest) is None

    @cached_property
    def calculates(self) -> bool:
        """Whether numbers are quantities: the question counts or calculates."""
        if "version" in self.known:
            return False
        if self.counted or not _CALCULATES.isdisjoint(self.words):
            return True
        between = zip(self.words, self.words[1:], self.words[2:], strict=False)
        if any(
            is_number(a) and is_number(b) and op in {"+", "-", "*", "×", "÷", "/", "^", "x"} for a, op, b in between
        ):
            return True
        return any(map(_OPERATION.fullmatch, self.words))

    @cached_property
    def counted(self) -> frozenset[str]:
        """The roots of what is counted: ``how many``, and the words up to the next one without meaning of its own."""
        for place, pair in enumerate(zip(self.words, self.words[1:], strict=False)):
            if pair in {("how", "many"), ("how", "much")}:
                noun = []
                for word in self.words[place + 2 :]:
                    if word in FUNCTION_WORDS or word in PREPOSITIONS or word in _AUXILIARIES:
                        break
                    noun.append(root(word))
                return frozenset(noun) | {"many"}
        return frozenset()

    @cached_property
    def in_present(self) -> bool:
        """Whether only the present is asked for, so that a past tense says something else."""
        words = set(self.words)
        past = "did" in words or not PAST.isdisjoint(words) or any(word.endswith("ed") for word in words)
        return not past and not _PRESENT.isdisjoint(words)

    @cached_property
    def asks_with(self) -> frozenset[str]:
        """Prepositions of the question word ("by whom", "where ... from"): before the value they say nothing."""
        pairs = zip(self.words, [*self.words[1:], "what"], strict=False)
        return frozenset(a for a, b in pairs if a in PREPOSITIONS and b in _WH)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Its numbers."""
        return frozenset(filter(is_number, self.words))

    @cached_property
    def subtracts(self) -> bool:
        """Whether a calculation depends on the order of its numbers."""
        return self.calculates and not {"-", "minus", "/", "÷", "divided", "^", "power"}.isdisjoint(self.words)

    @cached_property
    def verb(self) -> str:
        """The root of the verb whose subject is asked for ("who wrote"), empty if the subject is not asked for."""
        for place, word in enumerate(self.words[:-1]):
            if word in {"who", "what", "which"}:
                after = self.words[place + 1]
                then = self.words[place + 2 : place + 3]
                noun = word != "who" and bool(then) and then[0] in _AUXILIARIES
                return "" if noun or after in _AUXILIARIES or after in FUNCTION_WORDS else root(after)
        return ""

    @cached_property
    def asks_for_object(self) -> bool:
        """Whether the thing that something is done to is asked for ("who did she meet")."""
        return not {"do", "does", "did"}.isdisjoint(self.words)


@lru_cache(maxsize=MAX_REMEMBERED)
def take_apart(question: str) -> Asked:
    """Take a question apart; the ballots of one request share the result, and at most ``MAX_REMEMBERED`` are held."""
    return Asked(question if len(question) <= MAX_QUESTION_CHARS else "")


def _separates(text: str) -> bool:
    """Tell whether a comma or colon stands between two parts of a text."""
    return any(part.strip() for mark in ",:" for part in text.split(mark)[1:])
