"""Articles, plurals and lists of English nouns."""

from __future__ import annotations

from collections.abc import Sequence

_ALREADY_PLURAL = frozenset(
    (
        "boots",
        "flowers",
        "folded clothes",
        "french fries",
        "glasses",
        "hanging clothes",
        "headphones",
        "high heels",
        "keys",
        "kitchen tools",
        "moccasins",
        "oil bottles",
        "playing cards",
        "pliers",
        "scissors",
        "shelves",
        "shorts",
        "slippers",
        "sneakers",
        "socks",
        "sunglasses",
        "trousers",
        "tulips",
    )
)
_UNCOUNTABLE = frozenset({"bread", "butter", "firewood", "toilet paper", "paper towel", "bamboo", "tape"})
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth")


def is_countable(noun: str) -> bool:
    """Whether two of them can be told as "two ...s"."""
    return noun not in _ALREADY_PLURAL and noun not in _UNCOUNTABLE


def plural(noun: str) -> str:
    """The plural of a countable noun, or the noun itself."""
    if not is_countable(noun):
        return noun
    if noun.endswith("person"):
        return noun.removesuffix("person") + "people"
    if noun.endswith("man"):
        return noun.removesuffix("man") + "men"
    if noun.endswith("knife"):
        return noun.removesuffix("knife") + "knives"
    if noun.endswith("pair of shoes"):
        return "pairs of shoes"
    if noun.startswith("piece of"):
        return "pieces of" + noun.removeprefix("piece of")
    if noun == "bowl of apples":
        return "bowls of apples"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(phrase: str, noun: str) -> str:
    """`phrase`, whose head is `noun`, as something mentioned for the first time: a mug, an apple, some bread."""
    if noun in _ALREADY_PLURAL or noun in _UNCOUNTABLE:
        return f"some {phrase}"
    vowel = phrase[0] in "aeiou" and not phrase.startswith(("uni", "one"))
    return f"{'an' if vowel else 'a'} {phrase}"


def number_word(count: int) -> str:
    """0 to 12 in words, more in digits."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def ordinal_word(position: int) -> str:
    """1 to 6 as first to sixth."""
    return _ORDINALS[position]


def enumeration(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
