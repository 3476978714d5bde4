"""`evaluate hhh`: questions with a right answer."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from conftest import ScriptedBackend

from cai_app import prompts
from cai_app.commands import main
from cai_app.errors import InputError
from cai_app.formats import cai_evals
from cai_app.judge import Answer, Choice, JudgeConfig, answer_choices, report
from cai_app.settings import Settings

PUBLISHED = (
    Path(__file__).parents[2]
    / "shared/data/constitutional-harmlessness-paper/evals/438HHHEvaluations.jsonl"
)
QUESTION = "Which response is kinder?"


def row(right: str, n: int = 0, **more: Any) -> dict[str, Any]:
    """One row in the paper's form."""
    made = prompts.judge(f"Where is the park? ({n})", "Over there.", "Who cares?", QUESTION)
    wrong = " (B)" if right == " (A)" else " (A)"
    return {"prompt": made.text, "corrects": [right], "incorrects": [wrong], **more}


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text(
        "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows)
    )
    return path


def choice(n: int, right: Any = "a", **more: Any) -> Choice:
    told = {"question": QUESTION, **more}
    return Choice(prompt=f"p{n}", a="long", b="no", right=right, **told)


def test_questions_keep_the_order_in_which_they_stand(tmp_path: Path) -> None:
    path = written(tmp_path / "hhh.jsonl", [row(" (A)"), row(" (B)", category="honest")])
    first, second = cai_evals.questions(path)
    assert isinstance(first, cai_evals.Question) and isinstance(second, cai_evals.Question)
    assert (first.a, first.b, first.right, first.category) == (
        "Over there.",
        "Who cares?",
        "a",
        None,
    )
    assert (second.a, second.right, second.category) == ("Over there.", "b", "honest")
    assert first.question == QUESTION


def test_the_published_file_has_the_published_baselines() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED} is not on this machine")
    found = list(cai_evals.questions(PUBLISHED))
    choices = [Choice(**one._asdict()) for one in found if isinstance(one, cai_evals.Question)]
    told = report(choices, [Answer(p_a=1.0, flipped=False)] * len(choices))
    assert told.n == len(found) == 438
    assert told.baselines["always_a"] == told.accuracy == pytest.approx(228 / 438)
    assert told.baselines["longer"] == pytest.approx(0.562, abs=0.002)
    assert len({one.prompt for one in choices}) == 188


def test_accuracy_counts_ties_as_halves_and_leaves_out_what_is_unscored() -> None:
    choices = [choice(0), choice(1, "b"), choice(2), choice(3)]
    answers = [
        Answer(p_a=0.9, flipped=False),
        Answer(p_a=0.9, flipped=True),
        Answer(p_a=0.5, flipped=False),
        Answer(p_a=None, unscored_reason="too long"),
    ]
    found = report(choices, answers)
    assert (found.n, found.scored, found.accuracy) == (4, 3, 0.5)
    assert found.flip_rate == pytest.approx(1 / 3)
    assert found.unscored == 1 and found.unscored_reasons == {"too long": 1}
    assert found.baselines == {"always_a": 0.75, "longer": 0.75}


def test_categories_are_counted_apart() -> None:
    choices = [choice(0, category="honest"), choice(1, "b", category="harmless"), choice(2)]
    found = report(choices, [Answer(p_a=0.8, flipped=False)] * 3)
    by_name = {name: (one.n, one.accuracy) for name, one in found.by_category.items()}
    assert by_name == {"honest": (1, 1.0), "harmless": (1, 0.0)}


def test_questions_of_one_prompt_are_one_cluster() -> None:
    rng = random.Random(0)
    answers = [Answer(p_a=p, flipped=False) for p in np.repeat(rng.choices([0.1, 0.9], k=40), 5)]
    apart = report([choice(n) for n in range(200)], answers).ci
    together = report([choice(n // 5) for n in range(200)], answers).ci
    assert apart and together
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


def test_several_samples_need_chain_of_thought(settings: Settings) -> None:
    asked = answer_choices(
        ScriptedBackend(), [choice(0)], JudgeConfig(), settings=settings, samples=5
    )
    with pytest.raises(InputError, match="samples is 5: more than one needs chain of thought"):
        next(asked)


def test_answers_are_those_of_the_model_in_both_orders(tmp_path: Path) -> None:
    choices = [choice(n, question=f"Is it {n % 2}?") for n in range(3)]
    with tiny.opened("pocket") as backend:
        config = JudgeConfig(few_shot=0)
        (found,) = answer_choices(backend, choices, config, settings=tiny.home())
        for one, answer in zip(choices, found, strict=True):
            if answer.p_a is None:
                assert answer.unscored_reason
                continue
            asked = [
                prompts.judge(one.prompt, *sides, one.question)
                for sides in ((one.a, one.b), (one.b, one.a))
            ]
            rows = np.exp(backend.choice_logprobs(asked, prompts.CHOICES))
            first, second = rows[:, 0] / rows.sum(1)
            assert answer.p_a == pytest.approx((first + 1 - second) / 2, abs=1e-6)


def test_the_command_prints_the_promised_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(" (A)", 1), "not json", row(" (B)", 2, category="honest")]
    path = written(tmp_path / "hhh.jsonl", rows)
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "evaluate", "hhh", str(path), "--few-shot", "0", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert {"n", "scored", "accuracy", "ci", "by_category", "flip_rate", "unscored"} <= found.keys()
    assert (found["n"], found["rejected"]) == (2, 1)
    assert found["baselines"] == {"always_a": 0.5, "longer": 0.5}
    assert found["backend"] == "pocket" and found["adapter"] == "helpful"
    assert "1 rows are no questions: line 2" in err


def test_a_file_without_questions_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.jsonl", [{"prompt": "hello"}])
    assert main(["evaluate", "hhh", str(path)]) == 1
    assert "holds no question with the answers (A) and (B) (line 1:" in capsys.readouterr().err
