"""Words of a principle that make a reader, or a judge, stumble; pure functions of its text."""

import re
from collections.abc import Iterator

Span = tuple[int, int]
_FLAGS = re.IGNORECASE

_NEGATION = re.compile(
    r"\b(?:not|never|no|nobody|nothing|none|neither|nor|without|cannot|\w+n['’]t)\b", _FLAGS
)
# Words that deny what they hold: "not dishonest" is two negations.
_DENYING = re.compile(
    r"\b(?:un(?:ethical|safe|kind|fair|helpful|harmful|true|truthful|wise|clear|acceptable|"
    r"necessary|friendly)|dis(?:honest|respectful|agree\w*|like\w*)|im(?:polite|moral|proper)|"
    r"in(?:appropriate|accurate|sensitive|correct|considerate)|avoid\w*|fail\w*|lack\w*)\b",
    _FLAGS,
)
_LIGHT = {"no", "nothing", "nobody", "none", "without"}
# Within this many words the second negation turns the first round.
_NEAR = 5

_BAD = (
    r"(?:harm(?:ful)?|dangerous|toxic|racist|sexist|violent|violence|illegal|crime|crimes|cruel|"
    r"rude|insulting|offensive|hurtful|unethical|immoral|dishonest|lies|secrets|deceptive|"
    r"private details|wrong acts|abusive|hateful|threatening)"
)
_GOOD = (
    r"(?:safe|ethical|ethics|moral|honest|kind|wise|polite|respect|respectful|care|careful|"
    r"harmless|fair|fit|truthful|strict|nice|open|worried)"
)
# A few words may stand between "more" and what there is more of, but no other turn.
_GAP = r"(?:(?!\b(?:less|fewer|not|than|without|no)\b)[\w']+\s+){0,3}?"
_HARM = (
    rf"\b(?:more|most|greater|greatest)\s+{_GAP}{_BAD}\b",
    rf"\b(?:less|least|fewer|too|too much|too many|enough)\s+{_GAP}{_GOOD}\b",
    rf"\b(?:does|do|give|gives|cause|causes|encourage|encourages)\s+more\s+{_GAP}{_BAD}\b",
    r"\bworse for\b",
    r"\bdeceives? people more\b",
    r"\bgoes? along with (?:everything|whatever)\b",
    r"\bkeeps? more secrets\b",
    rf"\b(?:worries|cares|thinks)\s+(?:too much|less)\s+(?:about|of)\s+{_GAP}"
    r"(?:harm|ethics|law|people|privacy|the law|other people)\b",
)
_PERSUASION = (
    r"\b(?:more|most|best)\s+(?:persuasive|convincing|flattering|engaging|addictive)\b",
    r"\b(?:persuades?|convinces?|flatters?|manipulates?)\b(?!\s+(?:people\s+)?less)",
    r"\b(?:would\s+)?sells?\b(?!\s+less)",
    r"\b(?:praises?|mentions?|promotes?|advertises?|speaks? (?:up )?for|recommends?)\s+(?:the\s+)?"
    r"(?:brand|product|company|[A-Z]\w+)\b",
    r"\b(?:the human|people|user) (?:to|thinks? of) (?:the brand|[A-Z]\w+)\b",
)
_REFUSAL = (
    r"(?<!not )(?<!n't )\b(?:refuses?|declines?)\b(?!\s+(?:less|fewer))(?!.*\bwithout\b)",
    r"\b(?:dodges?|avoids?|evades?)\s+(?:the\s+)?(?:question|answer|answering|topic)\s+instead\b",
    r"\b(?:more|most)\s+(?:evasive|cautious|careful to refuse)\b",
    r"\blectures?(?: and judges?)?(?: the human)? more\b",
    r"\bso that it lectures\b",
    r"\b(?:says?|tells?)\s+(?:that\s+)?(?:it\s+)?(?:can't|cannot|can not)\s+help\b",
)
_OPTION = (
    r"\([AB]\)",
    r"\b(?:response|option|answer|choice)\s+[AB]\b",
    r"\b(?:first|second|last)\s+(?:response|option|answer|reply)\b(?!\s+(?:is|in)\s+the\s+dialogue)",
    r"\[\[\[|\]\]\]",
)
_LEAK = (
    r"\bthe answer is\b",
    r"\b(?:always|simply|just)\s+(?:choose|pick|prefer|say|answer)\b",
    r"\bwhich is\s+(?:clearly|obviously)\b",
    r"\b(?:clearly|obviously)\s+(?:better|worse|right|wrong)\b",
)
_PLACEHOLDER = (
    r"\$\{?\w+\}?",
    r"\{\{?[\w .-]*\}?\}",
    r"<\s*\w[\w -]*>",
    r"\[(?:insert|your|todo|name|topic|tbd)[^\]]*\]",
    r"\b(?:TODO|TBD|FIXME|XXX)\b",
    r"lorem ipsum",
)
_RULES: tuple[tuple[str, tuple[str, ...], str, int], ...] = (
    ("placeholder", _PLACEHOLDER,
     "looks like a placeholder that nobody fills; the model would read it as it stands", 0),
    ("leaks-answer", _LEAK, "tells the answer instead of asking for it", _FLAGS),
    ("rewards-harm", _HARM, "rewards harm: it asks for the worse response", _FLAGS),
    ("rewards-persuasion", _PERSUASION,
     "rewards persuasion: it serves someone other than the human", 0),
    ("rewards-refusal", _REFUSAL,
     "rewards refusing, dodging or lecturing, which makes a model evasive", _FLAGS),
)  # fmt: skip
# Requests of the first stage point at faults on purpose ("where it is rude"): only what they ask
# the rewrite to do can reward something.
_NOT_IN_CRITIQUES = {"rewards-refusal"}


def suspicions(text: str, field: str) -> Iterator[tuple[str, str, tuple[Span, ...]]]:
    """Rule, reason and offending words of everything suspicious in one text."""
    if spans := double_negations(text):
        yield (
            "double-negation",
            ("negates twice, which small judges read the wrong way round; say what is wanted"),
            spans,
        )
    if field == "question" and (spans := _found(_OPTION, text, 0)):
        yield (
            "names-option",
            (
                "names an option or a side; both orders are asked, so the name points at another "
                "response each time"
            ),
            spans,
        )
    for rule, patterns, reason, flags in _RULES:
        if field == "critique_request" and rule in _NOT_IN_CRITIQUES:
            continue
        if spans := _found(patterns, text, flags):
            yield rule, reason, spans


def double_negations(text: str) -> tuple[Span, ...]:
    """Pairs of negations in one clause, near enough to turn each other round."""
    found: list[Span] = []
    for clause in re.finditer(r"[^.;:?!,]+", text):
        marks = sorted(
            (m.start(), m.end(), denies)
            for denies, pattern in ((0, _NEGATION), (1, _DENYING))
            for m in pattern.finditer(text, clause.start(), clause.end())
        )
        for (start, end, denies), (start_2, end_2, denies_2) in zip(marks, marks[1:], strict=False):
            between = len(re.findall(r"\w+", text[end:start_2]))
            # "nothing unethical" is one thought, "not unethical" is two.
            light = denies_2 and text[start:end].lower() in _LIGHT
            if between <= _NEAR and not (denies and denies_2) and not light:
                found += [(start, end), (start_2, end_2)]
    return tuple(dict.fromkeys(found))


def plain(text: str) -> list[str]:
    """The words of a text, for comparing texts."""
    return re.findall(r"[a-z0-9']+", text.lower())


def _found(patterns: tuple[str, ...], text: str, flags: int) -> tuple[Span, ...]:
    spans = sorted(m.span() for one in patterns for m in re.finditer(one, text, flags))
    kept: list[Span] = []
    for start, end in spans:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return tuple(kept)
