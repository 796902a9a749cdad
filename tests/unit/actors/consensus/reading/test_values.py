"""Reading one value out of an answer: which answers are one and which are two."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.values import MAX_WHOLE_WORDS, MAX_WORDS, normal_value

CAPITAL = "What is the capital of France?"
AUSTRALIA = "What is the capital of Australia?"
WEEK = "How many days are there in a week?"
PLANET = "What is the largest planet in the solar system?"
GERMANY = "How many people live in Germany?"
LARGER = "Which is larger, 9.11 or 9.9?"
OLDER = "Who was older, Plato or Aristotle?"
VERSION = "Which Python version introduced the match statement?"
COLOUR = "What colour do you get by mixing blue and yellow?"

AGREE = [
    (
        CAPITAL,
        "paris",
        [
            "The capital of France is Paris.", "Paris", "**Paris**", "Answer: Paris", "A: Paris", "The answer is Paris.",
            "It's Paris.", "PARIS", "Paris is the capital of France.", "France's capital is Paris!",
            "The capital of France is **Paris**.", " Paris\nQ: What is the capital of Spain?\nA: Madrid",
            "\nParis", "“Paris”", "(Paris)", "The capital of France is Paris (France).",
        ],
    ),
    (
        WEEK,
        "7",
        [
            "There are 7 days in a week.", "A week is approximately 7 days.", "A week has seven days.", "7", "Seven days",
            "7.0 days", "There are **7** days in a week.",
        ],
    ),
    ("In which year did the Second World War end?", "1945",
     ["The Second World War ended in 1945.", "1945", "In 1945.", "World War II ended in 1945."]),
    ("What is the chemical symbol for water?", "H2O", ["The chemical symbol for water is H2O.", "H2O", "H₂O", "It is `H2O`."]),
    ("What language is spoken in Brazil?", "portuguese",
     ["Portuguese", "Brazil is spoken in Portuguese.", "The official language of Brazil is Portuguese."]),
    ("What is 7 times 8?", "56", ["7 times 8 is 56.", "56", "7 x 8 = 56", "7*8=56", "7 × 8 = 56", "fifty-six", "56.0"]),
    ("What is 12 + 30?", "42", ["12 + 30 = 42.", "12+30=42", "forty-two", "The result is 42"]),
    ("What is 7 times 1?", "7", ["7 times 1 is 7.", "7"]),
    ("What is 5 - 8?", "-3", ["-3", "5 - 8 = -3", "minus 3", "5 - 8 = - 3", "negative three", "\u22123"]),
    ("How many metres are in a kilometre?", "1000", ["1,000 metres", "one thousand", "There are 1000 metres in a kilometre."]),
    ("How many days are in a leap year?", "366", ["three hundred sixty-six", "366 days", "A leap year has 366 days."]),
    (PLANET, "jupiter",
     ["The largest planet in the solar system is Jupiter.", "Jupiter", "Jupiter is the largest planet in our solar system."]),
    ("How many legs does a spider have?", "8", ["8", "A spider has eight legs.", "Spiders have 8 legs.", "Eight legs"]),
    ("What is the capital of Japan?", "tokyo", ["Tokyo", "The capital of Japan is Tokyo.", "Japan's capital is Tokyo"]),
    (COLOUR, "green", ["Green", "You get green by mixing blue and yellow.", "Mixing blue and yellow gives green.",
                       "Blue and yellow make green.", "When you mix blue and yellow, you get green."]),
    ("Is the moon a star?", "no", ["No", "no."]),
    ("Is 7 prime?", "yes", ["Yes", "Yes, 7 is prime."]),
    ("Is the Nile or the Amazon longer?", "nile",
     ["The Nile", "Nile", "The Nile is longer.", "The Nile is longer than the Amazon."]),
    (LARGER, "9.9", ["9.9", "9.9 is larger than 9.11.", "9.9 is larger.", "**9.9**"]),
    (OLDER, "plato", ["Plato", "Plato was older than Aristotle.", "Plato was older."]),
    ("Who wrote Hamlet?", "shakespeare", ["Shakespeare", "Shakespeare wrote Hamlet."]),
    ("What does CPU stand for?", "central processing unit",
     ["CPU stands for Central Processing Unit", "Central Processing Unit"]),
    ("Who killed Caesar?", "brutus", ["Brutus", "Brutus killed Caesar.", "Caesar was killed by Brutus.", "Final answer: Brutus"]),
    ("Who is the author of Hamlet?", "shakespeare", ["The author of Hamlet is Shakespeare", "Shakespeare is the author"]),
    (VERSION, "3.10", ["3.10", "Python 3.10", "The match statement was introduced in Python 3.10"]),
]  # fmt: skip

DIFFER = [
    (LARGER, ["9.11 is larger than 9.9.", "9.9 is larger than 9.11."]),
    (OLDER, ["Plato was older than Aristotle.", "Aristotle was older than Plato.", "Plato was not older."]),
    ("Which is bigger: the sun, the moon?", ["The sun is larger", "The moon is larger", "The sun is bigger than the moon",
                                             "The moon is bigger than the sun"]),
    ("Which of Mars and Venus is larger?", ["Mars is larger overall", "Venus is larger overall"]),
    ("Which is a fruit?\nA) stone\nB) pear", ["A) stone because it is sweet", "B) pear because it is sweet"]),
    ("Which is not a fruit: pear, carrot?", ["Carrot is not a fruit", "Carrot is a fruit", "Pear is not a fruit"]),
    (PLANET, ["Jupiter is one of the gas giants.", "Saturn is one of the gas giants.", "Jupiter"]),
    (AUSTRALIA, ["Canberra has been the capital since 1927.", "Melbourne was the capital until 1927.", "1927", "Canberra"]),
    (AUSTRALIA, ["It is not **Sydney**.", "Sydney", "Not Sydney but Perth", "Perth"]),
    (AUSTRALIA, ["It isn't `Sydney`", "Sydney", "It is **not** Sydney", "Sydney?", "Sydney or Canberra", "Sydney and Canberra"]),
    (CAPITAL, ["It is Paris", "It was Paris", "Paris used to be the capital"]),
    ("What is x?", ["x != 5", "x >= 5", "x <= 5", "x = 5", "x ≠ 5", "x > 5", "x < 5", "x ≈ 5", "y = 5", "x = -5", "2x = 5"]),
    ("What is the time complexity of bubble sort?", ["O(n^2)", "O(2^n)", "O(2n)", "2", "O(n²+1)", "O(n)"]),
    ("What is the derivative of 3x^2?", ["6x", "6", "6x^3", "6/x", "-6x"]),
    ("When is Independence Day in the US?", ["July 4", "June 4", "4 BC", "4", "4/7", "7/4"]),
    (VERSION, ["3.10", "3.1", "Ruby 3.1", "3.1.0", "310"]),
    ("What are the roots of x^2-3x+2?", ["1,2", "12", "1.2", "1", "-1, 2"]),
    (GERMANY, ["83 million", "83 billion", "83%", "minus 83", "83", "83.0e6", "83 thousand", "over 83", "less than 83",
               "83 or 84", "$83", "0.83", "8.3"]),
    ("How many is that?", ["two, three", "five", "twenty, four", "twenty-four", "two hundred", "two, hundred and three"]),
    ("What is the diagonal of a unit square?", ["√2", "2", "2π", "2i", "2^2", "2²+1", "1/2", "½+1", "2!", "22"]),
    ("How large is 10 to the fifth?", ["10⁵", "105", "10^-5"]),
    ("What time does the market open?", ["9 AM", "9 PM", "9", "9:30", "half past 9"]),
    ("At what temperature does water freeze in Fahrenheit?", ["32 degrees below zero", "32", "-32", "32 K"]),
    (WEEK, ["7", "7 weeks", "7 days and 6 hours", "not 7", "at least 7", "1/7", "7...", "17"]),
    ("How much power does it take?", ["5 mW", "5 MW", "5 kW", "5"]),
    ("How long is it?", ["6'", '6"', "6", "6 in", "6 m"]),
    ("What is the symbol of cobalt?", ["Co", "CO"]),
    ("What is 12 inches in cm?", ["30.48 cm", "30.48 inches"]),
    ("Who killed Caesar?", ["Brutus killed Caesar", "Caesar killed Brutus"]),
    ("Who taught Plato?", ["Socrates was taught by Plato", "Plato was taught by Socrates", "Plato taught Socrates"]),
    ("What is 10 - 4?", ["10 - 4 = 6", "4 - 10 = 6", "10 - 4 = -6", "14"]),
    ("In which year was it?", ["'45", "45", "1945", "1945-46", "1945 BC"]),
    ("Who did Brutus kill?", ["Brutus killed Caesar", "Caesar killed Brutus"]),
    ("What causes tides?", ["The moon causes tides", "Tides cause the moon"]),
    ("Who was Alexander's teacher?", ["Aristotle was Alexander's teacher", "Alexander was Aristotle's teacher"]),
    ("Who was the teacher of Alexander?", ["Aristotle was the teacher of Alexander", "Alexander was the teacher of Aristotle"]),
    ("Did Brutus kill Caesar?", ["Yes", "No", "Yes, Caesar did kill Brutus", "No, not Brutus"]),
    ("Where does the train go?", ["from Rome", "to Rome", "Rome", "to Rome from Oslo", "from Rome to Oslo"]),
    ("When did it end?", ["before 1945", "after 1945", "by 1945", "since 1945", "until 1945", "1945"]),
    ("What is the half-open interval?", ["[0,1)", "(0,1]", "[0,1]", "(0,1)", "0,1"]),
    ("Which vitamin is in oranges?", ["Vitamin C", "Vitamin D", "Vitamin B12", "Vitamin B6"]),
    ("Which war ended in 1918?", ["World War I", "World War II"]),
]  # fmt: skip


@pytest.mark.parametrize(("question", "value", "answers"), AGREE, ids=[question for question, _, _ in AGREE])
def test_sentences_and_bare_answers_read_the_same(question: str, value: str, answers: list[str]) -> None:
    """The value stands the same whether a model answers in a word or in a sentence."""
    assert {answer: normal_value(question, answer) for answer in answers} == dict.fromkeys(answers, value)


@pytest.mark.parametrize(("question", "answers"), DIFFER, ids=[question for question, _ in DIFFER])
def test_answers_that_mean_different_things_never_agree(question: str, answers: list[str]) -> None:
    """Opposites, other units, other signs, other times and other sides of a verb have forms of their own."""
    forms = {answer: normal_value(question, answer) for answer in answers}
    assert [pair for pair in combinations(answers, 2) if forms[pair[0]] and forms[pair[0]] == forms[pair[1]]] == []


def test_an_essay_holds_no_value() -> None:
    """An answer whose rest is longer than six words, or is longer than the bound as a whole, states no one value."""
    essay = "France, a lovely country, was historically ruled by many kings from several different towns"
    assert normal_value(CAPITAL, essay) == ""
    assert normal_value(CAPITAL, "not " * (MAX_WHOLE_WORDS + 1)) == ""


def test_a_question_beyond_the_bound_is_not_looked_into() -> None:
    """Nothing is left out of an answer to a question too long to take apart."""
    assert normal_value(CAPITAL + " please" * 1000, "The capital of France is Paris") == "capital of france paris"


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_text_can_be_read(question: str, answer: str) -> None:
    """Whatever a model says, reading ends and gives one short line."""
    form = normal_value(question, answer)
    assert "\n" not in form
    assert len(form.split()) <= max(MAX_WORDS, MAX_WHOLE_WORDS)


@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_numbers_read_the_same_in_every_notation(number: int) -> None:
    """Where a question calculates, thousands separators and trailing zeros change nothing."""
    question = "What is the result?"
    assert normal_value(question, f"{number:,}") == normal_value(question, f"{number}.00") == str(number)
