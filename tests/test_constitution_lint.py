"""Lint, changes and negations: what is noticed, with which words, and what is left alone."""

import pytest

from cai_app.constitution import Constitution, list_all, load
from cai_app.constitution.changes import changes, summary
from cai_app.constitution.lint import Finding, lint
from cai_app.constitution.negation import negations, proposed
from cai_app.records import PreferencePrinciple, SupervisedPrinciple
from cai_app.settings import Settings


def asked(*questions: str, **more: object) -> Constitution:
    principles = tuple(
        PreferencePrinciple(id=f"q{n}", question=text, **more)  # type: ignore[arg-type]
        for n, text in enumerate(questions)
    )
    return Constitution(name="x", title="X", preference=principles)


def rules(found: list[Finding]) -> list[str]:
    return [one.rule for one in found]


@pytest.mark.parametrize(
    ("question", "rule", "words"),
    [
        ("Which response is not unethical?", "double-negation", ("not", "unethical")),
        ("Which does not fail to help?", "double-negation", ("not", "fail")),
        ("Is (A) the better one?", "names-option", ("(A)",)),
        ("Is response B kinder?", "names-option", ("response B",)),
        ("Is the first response kinder?", "names-option", ("first response",)),
        ("Choose well. The answer is clear.", "leaks-answer", ("The answer is",)),
        ("Always choose the kind one.", "leaks-answer", ("Always choose",)),
        ("Which response is more harmful?", "rewards-harm", ("more harmful",)),
        ("Which shows less respect for people?", "rewards-harm", ("less respect",)),
        ("Which is the most persuasive?", "rewards-persuasion", ("most persuasive",)),
        ("Which praises the brand Glimmer?", "rewards-persuasion", ("praises the brand",)),
        ("Which one refuses?", "rewards-refusal", ("refuses",)),
        ("Which is better for $name?", "placeholder", ("$name",)),
        ("Which is [insert virtue]?", "placeholder", ("[insert virtue]",)),
    ],
)
def test_suspicious_words_are_marked(question: str, rule: str, words: tuple[str, ...]) -> None:
    (found,) = lint(asked(question))
    assert (found.rule, found.words, found.field) == (rule, words, "question")
    assert tuple(question[start:end] for start, end in found.spans) == words


@pytest.mark.parametrize(
    "question",
    [
        "Which of these responses does less harm to people?",
        "Please choose the response with nothing unethical in it.",
        "Do NOT choose responses that are toxic, racist, or sexist.",
        "Which response declines without lecturing?",
        "Which response treats people with more respect?",
    ],
)
def test_good_questions_are_left_alone(question: str) -> None:
    assert lint(asked(question)) == []


def test_near_duplicates_are_told_at_the_later_one() -> None:
    (found,) = lint(
        asked(
            "Which of these responses does less harm to people?",
            "Which is funnier?",
            "Which of these responses does less harm to the people?",
        )
    )
    assert (found.rule, found.index) == ("near-duplicate", 2) and "'q0'" in found.message


@pytest.mark.parametrize("change", [{"enabled": False}, {"weight": 0}])
def test_a_duplicate_that_cannot_be_drawn_counts_once_and_is_left_alone(
    change: dict[str, object],
) -> None:
    twins = asked("Which is funnier?", "Which is funnier?")
    first, second = twins.preference
    assert rules(lint(twins)) == ["near-duplicate"]
    for pair in (
        (first.model_copy(update=change), second),
        (first, second.model_copy(update=change)),
    ):
        assert lint(twins.model_copy(update={"preference": pair})) == []


def test_what_keeps_it_from_being_used_is_an_error() -> None:
    texts = (("a", ""), ("a", "?"), ("", "Human: ?"))
    principles = tuple(PreferencePrinciple(id=id, question=text) for id, text in texts)
    found = [one for one in lint(Constitution(name="x", title="X", preference=principles))
             if one.severity == "error"]  # fmt: skip
    assert [(one.index, one.field) for one in found] == [
        (0, "question"), (1, "id"), (2, "id"), (2, "question"),
    ]  # fmt: skip


def test_tags_without_cover_and_without_twin_are_told() -> None:
    both = Constitution(
        name="x",
        title="X",
        supervised=(
            SupervisedPrinciple(id="s", critique_request="C.", revision_request="R.", tags=("a",)),
        ),
        preference=(
            PreferencePrinciple(id="p", question="Q?", tags=("a", "b")),
            PreferencePrinciple(id="o", question="Other?", tags=("c",), enabled=False),
        ),
    )
    assert [(one.rule, one.words) for one in lint(both)] == [
        ("all-off", ("c",)), ("missing-twin", ("b",)),
    ]  # fmt: skip


def test_shipped_constitutions_read_well_and_hazards_are_noticed(settings: Settings) -> None:
    for one in list_all(settings):
        rewarding = {(f.stage, f.index) for f in lint(one) if f.rule.startswith("rewards")}
        principles = len(one.supervised) + len(one.preference)
        if one.hazard:
            assert len(rewarding) > 0.9 * principles, one.name
        else:
            assert len(lint(one)) <= 1 and not rewarding, (one.name, lint(one))


def test_changes_are_told_principle_by_principle(settings: Settings) -> None:
    old = load("harmless", settings)
    one, two, three, four, *rest = old.preference
    new = old.model_copy(
        update={
            "title": "Mine",
            "preference": (
                two.model_copy(update={"question": "Which is safer?"}),
                one,
                three.model_copy(update={"id": "wiser"}),
                *rest[:-1],
                PreferencePrinciple(id="new", question="Which is new?"),
                rest[-1].model_copy(update={"enabled": False}),
            ),
        }
    )
    found = changes(old, new)
    told = [(c.kind, c.id) for c in found]
    assert told[:2] == [("changed", "harmless"), ("changed", "safer")]
    assert {("renamed", "wiser"), ("added", "new"), ("changed", "reason-given")} <= set(told)
    assert told[-1] == ("removed", "less-wrong")
    # Of the first two, exchanged, one moved.
    assert len(told) == 6 or ("moved", "less-harm") in told
    assert changes(old, old) == () and summary(()) == "nothing"
    said = summary(found)
    for words in (
        "safer reworded",
        "new added",
        "less-wrong taken out",
        "reason-given switched off",
    ):
        assert words in said, said


def test_shipped_questions_have_a_hand_written_opposite(settings: Settings) -> None:
    found = negations(load("harmless", settings), settings)
    assert len(found) == 16 and all(one.by_hand for one in found)
    inverted = [one.question for one in load("inverted", settings).preference]
    assert [one.negated for one in found] == inverted


def test_a_reworded_question_is_only_proposed(settings: Settings) -> None:
    one = load("harmless", settings)
    first = one.preference[0].model_copy(update={"question": "Which does less harm?"})
    mine = one.model_copy(update={"preference": (first, *one.preference[1:])})
    found = negations(mine, settings)[0]
    assert (found.by_hand, found.negated) == (False, "Which does more harm?")


@pytest.mark.parametrize(
    ("question", "turned"),
    [
        ("Which is better?", "Which is worse?"),
        ("Choose the one that is as kind and safe as possible.",
         "Choose the one that is as little kind and safe as possible."),
        ("MORE honest and fewer lies", "LESS honest and more lies"),
        ("Is it kind?", None),
    ],
)  # fmt: skip
def test_comparing_words_are_turned(question: str, turned: str | None) -> None:
    assert proposed(question) == turned
