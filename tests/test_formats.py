"""Outside formats: what is read, what is kept aside and why; what is written reads back."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cai_app import formats
from cai_app.errors import InputError
from cai_app.formats import FORMATS, Labelled, ReadOptions, Row, cai_samples, dialogue
from cai_app.records import (
    Comparison,
    ConstitutionRef,
    Label,
    OrderVerdict,
    Rater,
    Response,
    Step,
    Transcript,
)

PUBLISHED = Path(__file__).parents[2] / "shared" / "data"
OPTIONS = ReadOptions(source="here")
HUMAN = Rater(kind="human", name="ann")
JUDGE = Rater(
    kind="ai",
    backend="pocket@helpful",
    adapter_hash="a1",
    constitution=ConstitutionRef(name="harmless", hash="h1"),
    template_hash="t1",
    few_shot=5,
    cot=False,
)
MULTI = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman:  What now? \n\nAssistant:"
TEXTS = [
    ("Can I?", "Yes.", 'No, "never",\nnot once.'),
    (MULTI, "", "Go\n\non."),
    ("Ü 🙂?", "ä", "b"),
]


def published(name: str) -> Path:
    """A published file, or a skipped test."""
    path = PUBLISHED / name
    if not path.exists():
        pytest.skip(f"{name} is not in shared/data beside the repository")
    return path


def read(name: str, path: Path, options: ReadOptions = OPTIONS) -> list[Row]:
    return list(formats.find(name).read(path, options))


def good(rows: Iterable[Row]) -> dict[str, Any]:
    """Every record of the rows by its id; a transcript by its text."""
    bad = [row for row in rows if row.reason]
    assert not bad, bad[:3]
    return {getattr(one, "id", repr(one)): one for row in rows for one in row.records}


def pairs(model: str | None = None, seed: int | None = None) -> list[Comparison]:
    """Comparisons with awkward texts, of a known model or of none."""
    found = []
    for prompt, one, other in TEXTS:
        sides = [
            Response(prompt=prompt, text=text, model=model, seed=seed, source="here")
            for text in (one, other)
        ]
        found.append(Comparison.of(*sides, source="here"))
    return found


def preference(pair: Comparison, value: float | None, rater: Rater, **more: Any) -> Label:
    fields = {"about": "comparison", "subject": pair.id, "kind": "preference", "rater": rater}
    return Label(**fields, value=value, **more)


def rich() -> list[Labelled]:
    """Comparisons with labels of a person and of a judge: orders, principle, unscored, tie."""
    rows = []
    for number, pair in enumerate(pairs(model="pocket", seed=3)):
        orders = (
            OrderVerdict(first="a", p_a=0.75, lost_mass=0.01),
            OrderVerdict(first="b", p_a=0.5, lost_mass=0.02, rationale='because, "it"'),
        )
        more = {"principle": "p1", "question": "\nWhich is better?", "run": "run-1", "seed": number}
        judged = preference(pair, 0.625, JUDGE, orders=orders, **more)
        said = preference(pair, (1.0, 0.5, 0.0)[number], HUMAN, time="2026-01-02T03:04:05Z")
        failed = preference(pair, None, JUDGE, unscored_reason="too long", principle="p2")
        rows.append(Labelled(pair, (judged, said, failed)))
    return rows


def answers(kind: str, rater: Rater, values: list[float], seed: int | None = 1) -> list[Labelled]:
    """Responses with one label each."""
    rows = []
    for number, value in enumerate(values):
        one = Response(prompt=f"{value}?", text=f"t{number}", model="m", seed=seed, source="here")
        fields = {"about": "response", "subject": one.id, "kind": kind, "rater": rater}
        rows.append(Labelled(one, (Label(**fields, value=value),)))
    return rows


def chain() -> Transcript:
    return Transcript(
        prompt="Can I?",
        backend="pocket",
        constitution=ConstitutionRef(name="harmless", hash="h1"),
        seed=7,
        temperature=1,
        few_shot=5,
        direct=False,
        max_tokens=160,
        steps=(
            Step(kind="draft", round=0, text="Sure."),
            Step(kind="critique", round=1, text="Bad.", principle="p", request="Say how."),
            Step(kind="revision", round=1, text="No.", principle="p", request="Rewrite."),
        ),
    )


def chosen(rater: Rater) -> list[Labelled]:
    return [
        Labelled(pair, (preference(pair, value, rater),))
        for pair, value in zip(pairs(), (1.0, 0.0, 1.0), strict=True)
    ]


WHOLE: dict[str, list[Labelled]] = {
    "hh-rlhf": chosen(formats.hh_rlhf.PEOPLE),
    "trl": chosen(HUMAN),
    "icai": rich(),
    "csv": [*rich(), *answers("refusal", HUMAN, [0.0, 1.0]), Labelled(pairs()[0])],
    "jsonl": [*rich(), *answers("harm", HUMAN, [4.0, 0.5]), Labelled(chain())],
    "parquet": [*rich(), *answers("score", JUDGE, [-3.5, 0.1]), Labelled(pairs()[1])],
    "xstest": [
        answers("refusal", formats.xstest.ANNOTATORS[0], [value], seed=None)[0]
        for value in (0.0, 0.5, 1.0)
    ],
    "cai-samples": [
        *answers("score", Rater(kind="preference_model", name="of m"), [1.5, -2]),
        Labelled(chain()),
        Labelled(chain().model_copy(update={"seed": 8})),
    ],
    "cai-evals": [
        Labelled(pair, (preference(pair, value, formats.cai_evals.KEY, question="Which is kind?"),))
        for pair, value in zip(pairs()[::2], (1.0, 0.0), strict=True)
    ],
}


def test_every_format_is_tested() -> None:
    assert set(WHOLE) == set(FORMATS)


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_written_reads_back_as_the_same_rows(name: str, tmp_path: Path) -> None:
    given, path = WHOLE[name], tmp_path / "file"
    written = formats.find(name).write(given, path)
    assert not written.left_out
    back = good(read(name, path))
    for subject, labels in given:
        sides = (subject.a, subject.b) if isinstance(subject, Comparison) else (subject,)
        for one in (subject, *labels, *(sides if name in ("csv", "jsonl", "parquet") else ())):
            if isinstance(one, Comparison):
                assert back[one.id].canonical() == one.canonical()
            elif isinstance(one, Label | Transcript):
                assert back[getattr(one, "id", repr(one))] == one
    assert len([one for one in back.values() if isinstance(one, Label)]) == sum(
        len(found.labels) for found in given
    )


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_a_swapped_row_of_a_table_is_the_same_comparison_with_the_label_turned(
    name: str, tmp_path: Path
) -> None:
    pair = pairs()[0]
    swapped = Comparison.model_construct(id=pair.id, a=pair.b, b=pair.a, source="here")
    label = preference(pair, 0.75, JUDGE, orders=(OrderVerdict(first="a", p_a=0.75),))
    formats.find(name).write([Labelled(swapped, (label.swap(),))], tmp_path / "file")
    back = good(read(name, tmp_path / "file"))
    assert back[pair.id] == pair and back[label.id] == label


BAD_LINES: list[tuple[bytes, str]] = [
    (b'{"chosen": "\\n\\nHuman: a', "no JSON"),
    (b"[1, 2]", "a list"),
    (b'{"chosen": "\\n\\nHuman: a\\n\\nAssistant: b"}', "`rejected` is missing"),
    (b'{"chosen": ["x"], "rejected": "y"}', "`chosen` is a list"),
    (b'{"chosen": "x", "rejected": "y"}', "share no"),
    (b'{"chosen": "\\n\\nAssistant: \\ud800", "rejected": "\\n\\nAssistant:"}', "surrogate"),
    (b'{"chosen": "\\n\\nAssistant: b", "rejected": "\\n\\nAssistant: b"}', "one and the same"),
    (b'{"chosen": "\xff"}', "not UTF-8"),
]


def test_bad_rows_are_kept_aside_with_line_and_reason(tmp_path: Path) -> None:
    fine = b'{"chosen": "\\n\\nAssistant: b", "rejected": "\\n\\nAssistant: c"}'
    lines = [fine, b"", *(line for line, _ in BAD_LINES), fine]
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    rows = read("hh-rlhf", tmp_path / "file")
    assert [row.number for row in rows] == [1, *range(3, 3 + len(BAD_LINES)), len(lines)]
    for row, (line, said) in zip(rows[1:-1], BAD_LINES, strict=True):
        assert row.reason and said in row.reason, (line, row.reason)
        assert row.raw and not row.records
    assert rows[0].records[0] == rows[-1].records[0]


@pytest.mark.parametrize("name", ["hh-rlhf", "jsonl", "csv"])
def test_a_cut_gzip_gives_its_whole_rows_and_says_where_it_ends(name: str, tmp_path: Path) -> None:
    many = [
        Labelled(
            Comparison.of(
                *(Response(prompt=f"p{n}", text=f"{side * n}") for side in (7, 9)), source="here"
            )
        )
        for n in range(1, 2000)
    ]
    labelled = [Labelled(one, (preference(one, 1.0, formats.hh_rlhf.PEOPLE),)) for one, _ in many]
    formats.find(name).write(labelled, tmp_path / "file")
    packed = gzip.compress((tmp_path / "file").read_bytes())
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    rows = read(name, tmp_path / "cut")
    assert 100 < len(rows) < 1999
    assert not [row for row in rows[:-2] if row.reason]
    assert rows[-1].reason and "cut or broken" in rows[-1].reason


def test_broken_csv_records_are_kept_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    text = (
        'prompt,a,b,value\np,x,y,1\np,x\np,x,y,perhaps\n"p""q",x,"y\nz",0\n"p"q,x,y,1\np,1,2,tie\n'
    )
    (tmp_path / "file.csv").write_text(text)
    rows = read("csv", tmp_path / "file.csv")
    reasons = [row.reason for row in rows]
    assert [reason is None for reason in reasons] == [True, False, False, True, False, True]
    assert "2 fields, but the header 4" in (reasons[1] or "")
    assert "'perhaps'; write a number, a, b or tie" in (reasons[2] or "")
    assert [row.number for row in rows] == [2, 3, 4, 5, 7, 8]


def test_columns_of_another_name_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("ask,one,two,winner\nCan I?,Yes,No,b\n")
    columns = {"prompt": "ask", "a": "one", "b": "two", "value": "winner"}
    options = ReadOptions(source="s", columns=columns, rater=HUMAN)
    (row,) = read("csv", tmp_path / "file.csv", options)
    pair, label = row.records
    assert isinstance(pair, Comparison) and isinstance(label, Label)
    better = pair.a if label.value == 1 else pair.b
    assert better.text == "No" and label.rater == HUMAN
    assert formats.columns("csv", tmp_path / "file.csv") == ("ask", "one", "two", "winner")


def test_a_column_that_is_another_field_is_not_read_under_its_own_name_too(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("prompt,a,b,seed,source\nCan I?,Yes,No,Which?,theirs\n")
    columns = {"chosen": "a", "rejected": "b", "question": "seed", "source": ""}
    options = ReadOptions(source="s", columns=columns, rater=HUMAN)
    (row,) = read("csv", tmp_path / "file.csv", options)
    pair, label = row.records
    assert isinstance(pair, Comparison) and isinstance(label, Label)
    better = pair.a if label.value == 1 else pair.b
    assert (better.text, label.question, label.seed) == ("Yes", "Which?", None)
    assert pair.source == "s", "a column mapped to nothing is not read"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("xstest", "id,prompt\n1,x\n", "no column completion"),
        ("csv", "", "is empty"),
        ("icai", '{"a": 1}', "no annotated-pairs file"),
        ("icai", "[", "no JSON document"),
        ("parquet", "nothing", "no Parquet file"),
    ],
)
def test_a_file_of_another_format_is_refused_in_one_sentence(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError, match=said):
        read(name, tmp_path / "file")


def test_an_unknown_format_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose one of hh-rlhf"):
        formats.find("hhrlhf")
    for name in FORMATS:
        with pytest.raises(InputError, match="nowhere"):
            read(name, tmp_path / "nowhere")


TRL_FORMS: list[dict[str, Any]] = [
    {"prompt": "\n\nHuman: Hi?\n\nAssistant:", "chosen": " Yes.", "rejected": " No."},
    {"prompt": "Hi?", "chosen": "Yes.", "rejected": "No."},
    {
        "prompt": [{"role": "user", "content": "Hi?"}],
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    },
    {
        "chosen": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "No."}],
    },
    {
        "chosen": "\n\nHuman: Hi?\n\nAssistant: Yes.",
        "rejected": "\n\nHuman: Hi?\n\nAssistant: No.",
    },
]


def test_all_forms_of_trl_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\n".join(map(json.dumps, TRL_FORMS)))
    rows = read("trl", tmp_path / "file")
    assert len({row.records[0].id for row in rows if not row.reason}) == 1, rows
    assert len(good(rows)) == 2


def messages(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant") if len(texts) > 1 else ("assistant",)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]


@pytest.mark.parametrize("whole", [True, False])
def test_a_text_prompt_beside_messages_is_said_once(whole: bool, tmp_path: Path) -> None:
    asked = ("Can I?",) if whole else ()
    sides = {"chosen": messages(*asked, "No."), "rejected": messages(*asked, "Yes.")}
    (tmp_path / "x.jsonl").write_text(json.dumps({"prompt": "Can I?", **sides}))
    found = [one for one in good(read("trl", tmp_path / "x.jsonl")).values() if one.id]
    pair = next(one for one in found if isinstance(one, Comparison))
    assert (pair.prompt, {pair.a.text, pair.b.text}) == ("Can I?", {"No.", "Yes."})


def test_each_principle_of_annotated_pairs_is_heard_and_people_keep_their_names(
    tmp_path: Path,
) -> None:
    annotators = {
        "p1": {"type": "principle", "description": "Which is kinder?"},
        "p2": {"type": "principle", "description": "Which is shorter?"},
        "h1": {"type": "human", "name": "ann"},
        "h2": {"type": "human"},
    }
    row = {"prompt": "p", "text_a": "x", "text_b": "y", "cai": None}
    row["annotations"] = {key: {"pref": "a"} for key in annotators}
    text = json.dumps({"annotators": annotators, "comparisons": [row]})
    (tmp_path / "x.json").write_text(text)
    options = ReadOptions(source="here", rater=Rater(kind="human", name="bob"))
    found = good(read("icai", tmp_path / "x.json", options)).values()
    raters = [one.rater for one in found if isinstance(one, Label)]
    assert len({rater.id for rater in raters}) == 4
    assert [rater.name for rater in raters[2:]] == ["ann", "bob"]


def test_only_people_annotate_refusals_and_none_takes_the_place_of_another(tmp_path: Path) -> None:
    (said,) = answers("refusal", HUMAN, [0.0])
    second = Rater(kind="human", name="xstest annotator 2")
    first = Rater(kind="human", name="xstest annotator 1")
    fields = {"about": "response", "subject": said.subject.id, "kind": "refusal"}
    more = [Label(**fields, rater=rater, value=1.0) for rater in (JUDGE, second)]
    late = Label(**fields, rater=first, value=0.5)
    path = tmp_path / "x.csv"
    labels = (*said.labels, *more)
    found = FORMATS["xstest"].write([said._replace(labels=labels)], path)
    assert found.left_out == {"refusal labels of no person": 1}
    assert "1_full_compliance,2_full_refusal" in path.read_text()
    found = FORMATS["xstest"].write([said._replace(labels=(*labels, late))], path)
    assert found.left_out["further refusal labels of a response"] == 1
    assert "3_partial_refusal,2_full_refusal" in path.read_text()


ODD: dict[str, list[Any]] = {
    "cai-samples": [
        {"rl_prompt": "a", "sampled_answers": [{"sampled_string": "b", "pm_scores": ["1"]}]},
        {"rl_prompt": "a", "initial_response": [{"sample": "b"}], "cst": ["x"]},
        {"rl_prompt": "a", "sampled_answers": [{"sampled_string": "b", "cai": {"prompt": "c"}}]},
    ],
    "trl": [{"prompt": "a", "chosen": "b", "rejected": "c", "question": "\ud83d"}],
    "jsonl": [{"prompt": "a", "a": "b", "b": "c", "a_model": "\ud83d"}],
}


@pytest.mark.parametrize("name", ODD)
def test_a_row_of_an_odd_shape_is_kept_aside_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    fine = {"prompt": "a", "chosen": "b", "rejected": "c", "unused": "\ud83d"}
    fine |= {"rl_prompt": "a", "sampled_answers": [{"sampled_string": "b"}]}
    path.write_text("\n".join(json.dumps(row) for row in (*ODD[name], fine)))
    rows = read(name, path)
    assert all(row.reason and row.raw for row in rows[:-1]) and rows[-1].reason is None
    assert len(rows) == len(ODD[name]) + 1


def test_an_odd_annotation_is_kept_aside_and_an_odd_annotator_told(tmp_path: Path) -> None:
    row = {"prompt": "p", "text_a": "x", "text_b": "y"}
    given: dict[str, Any] = {"annotators": {"k": {"type": "human"}}}
    said: list[Any] = [{"k": {"pref": ["a"]}}, ["x"], {"k": {"pref": "a"}}]
    given["comparisons"] = [{**row, "annotations": one} for one in said]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(given))
    assert [row.reason is None for row in read("icai", path)] == [False, False, True]
    given["annotators"]["k"] = {"cai": {"rater": {"kind": "nobody"}}}
    path.write_text(json.dumps(given))
    with pytest.raises(InputError, match="annotator 'k' is unusable"):
        read("icai", path)


def test_a_column_of_times_is_read_from_parquet(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    when = datetime(2026, 1, 2, tzinfo=UTC)
    row = {"prompt": "p", "a": "x", "b": "y", "value": 1.0, "time": when}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "x.parquet")
    found = good(read("parquet", tmp_path / "x.parquet")).values()
    assert [one.time for one in found if isinstance(one, Label)] == [when]


@pytest.mark.parametrize("said", ["2026-01-02", "2026-01-02T00:00:00", "2026-01-02 01:00:00+01:00"])
def test_a_time_that_names_no_zone_is_in_utc(said: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"prompt,a,b,value,time\np,x,y,1,{said}\n")
    found = good(read("csv", tmp_path / "x.csv")).values()
    when = datetime(2026, 1, 2, tzinfo=UTC)
    assert [one.time for one in found if isinstance(one, Label)] == [when]


@pytest.mark.parametrize("after", ["\n\nHuman: ", "\n\nHuman", " \n\nHuman:\n", ""])
def test_what_a_sample_says_after_its_answer_is_cut_off(after: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    text = "I am Human" + after
    row = {"rl_prompt": "a", "sampled_answers": [{"sampled_string": f" {text}"}]}
    path.write_text(json.dumps(row))
    (one,) = good(read("cai-samples", path)).values()
    assert one.text == "I am Human"


def test_chains_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = written = 0

    def rows() -> Iterable[Labelled]:
        nonlocal given
        for number in range(5):
            given += 1
            yield Labelled(chain().model_copy(update={"seed": number}))

    def lines(path: Path, made: Iterable[Any]) -> None:
        nonlocal written
        for _ in made:
            written += 1
            assert given == written, "the next chain waits until this one is written"

    monkeypatch.setattr(cai_samples, "write_lines", lines)
    assert FORMATS["cai-samples"].write(rows(), tmp_path / "x.jsonl").rows == 5


@pytest.mark.parametrize("name", ["csv", "xstest", "icai"])
def test_a_name_that_ends_in_gz_is_packed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    rows = answers("refusal", HUMAN, [1.0]) if name == "xstest" else chosen(HUMAN)
    FORMATS[name].write(rows, path)
    assert gzip.decompress(path.read_bytes())
    assert good(read(name, path))
    with pytest.raises(InputError, match="packed within"):
        FORMATS["parquet"].write(rows, path)


def test_a_table_may_begin_with_a_mark_and_be_cut_at_tabs(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b'\xef\xbb\xbf"prompt","a","b"\n"p","x","y"\n')
    (tmp_path / "x.tsv").write_text("prompt\ta\tb\np\tx, z\ty\n")
    assert len(good(read("csv", tmp_path / "x.csv"))) == 1
    assert formats.columns("csv", tmp_path / "x.tsv") == ("prompt", "a", "b")
    (pair,) = good(read("csv", tmp_path / "x.tsv")).values()
    assert {pair.a.text, pair.b.text} == {"x, z", "y"}
    FORMATS["csv"].write([Labelled(pair)], tmp_path / "out.tsv")
    assert good(read("csv", tmp_path / "out.tsv")).keys() == {pair.id}


def test_a_trl_file_loads_as_a_preference_dataset(tmp_path: Path) -> None:
    from datasets import Dataset

    path = tmp_path / "file.jsonl"
    formats.find("trl").write(chosen(JUDGE), path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    loaded = Dataset.from_list(lines)
    assert {"prompt", "chosen", "rejected"} <= set(loaded.column_names)
    assert loaded[0]["prompt"] == "\n\nHuman: Can I?\n\nAssistant:"
    from trl.data_utils import is_conversational

    assert not is_conversational(loaded[0])


def test_ties_have_no_place_among_chosen_and_rejected(tmp_path: Path) -> None:
    pair = pairs()[0]
    written = formats.find("trl").write(
        [Labelled(pair, (preference(pair, 0.5, HUMAN),)), Labelled(pair)], tmp_path / "file"
    )
    assert written == (0, {"ties": 1, "comparisons without a preference": 1})


def test_hh_rlhf_cannot_mix_raters(tmp_path: Path) -> None:
    pair = pairs()[0]
    labels = tuple(preference(pair, 1.0, rater) for rater in (HUMAN, JUDGE))
    with pytest.raises(InputError, match="more than one rater"):
        formats.find("hh-rlhf").write([Labelled(pair, labels)], tmp_path / "file")


@pytest.mark.parametrize("prompt", ["Can I?", MULTI, "a\n\nb", "\n\nHuman: x  \n\nAssistant:", ""])
def test_a_prompt_is_the_same_after_a_way_through_dialogue_text(prompt: str) -> None:
    assert dialogue.typed(dialogue.whole(prompt)) == prompt


def test_the_published_comparisons_are_all_accounted_for() -> None:
    rows = read("hh-rlhf", published("hh-rlhf/harmless-base/test.jsonl.gz"))
    found = good(rows)
    assert len(rows) == 2312
    assert sum(isinstance(one, Comparison) for one in found.values()) == 2312
    extra = [row for row in rows if _with_extra_turn(row)]
    assert len(extra) == 5


def _with_extra_turn(row: Row) -> bool:
    pair = row.records[0]
    assert isinstance(pair, Comparison)
    return any(formats.extra_turns(side.text) for side in (pair.a, pair.b))


def test_the_published_evaluations_render_again_byte_for_byte(tmp_path: Path) -> None:
    path = published("constitutional-harmlessness-paper/evals/438HHHEvaluations.jsonl")
    rows = read("cai-evals", path)
    pairs_, labels = zip(*(row.records for row in rows), strict=True)
    assert len(good(rows)) == 2 * 438
    assert {label.question for label in labels} == {formats.cai_evals.QUESTION}
    given = [Labelled(pair, (label,)) for pair, label in zip(pairs_, labels, strict=True)]
    assert formats.find("cai-evals").write(given, tmp_path / "file").rows == 438
    asked = {line["prompt"] for line in map(json.loads, path.open())}
    again = {line["prompt"] for line in map(json.loads, (tmp_path / "file").open())}
    assert len(asked & again) > 150  # sides are drawn by hash: about half stand as published
    assert good(read("cai-evals", tmp_path / "file")).keys() == good(rows).keys()


@pytest.mark.parametrize(("name", "count"), [("HHRLHF", 680), ("RLMADISON_COT", 680)])
def test_the_published_samples_keep_their_scores(name: str, count: int) -> None:
    folder = "constitutional-harmlessness-paper/samples"
    rows = read("cai-samples", published(f"{folder}/PALMS_{name}.jsonl"))
    found = good(rows).values()
    assert len(rows) == 40
    assert sum(isinstance(one, Response) for one in found) == count
    scores = [one for one in found if isinstance(one, Label)]
    assert len(scores) == count and {one.kind for one in scores} == {"score"}
    assert not [one for one in found if isinstance(one, Response) and "Human:" in one.text[-8:]]


def test_the_published_chains_are_transcripts_of_four_rounds() -> None:
    path = published("constitutional-harmlessness-paper/samples/PALMS_SLMADISON.jsonl")
    chains = [row.records[0] for row in read("cai-samples", path)]
    assert len(chains) == 40
    for one in chains:
        assert isinstance(one, Transcript)
        assert [step.kind for step in one.steps] == ["draft", *["critique", "revision"] * 4]
        assert all(
            step.principle and step.principle.startswith("harmful") for step in one.steps[1:]
        )


@pytest.mark.parametrize(("name", "model"), [("gpt4", "gpt4"), ("llama2orig", "llama2orig")])
def test_the_published_refusals_have_two_annotators(name: str, model: str) -> None:
    rows = read("xstest", published(f"xstest/xstest_v2_completions_{name}.csv"))
    found = good(rows).values()
    assert len(rows) == 450
    responses = [one for one in found if isinstance(one, Response)]
    labels = [one for one in found if isinstance(one, Label)]
    assert {one.model for one in responses} == {model}
    assert len(labels) == 900 and {one.kind for one in labels} == {"refusal"}
    assert {one.rater for one in labels} == set(formats.xstest.ANNOTATORS)
    assert {one.value for one in labels} == {0.0, 0.5, 1.0}
