"""The pocket world and recipe: what the corpus says, holds out, and how it is learned from."""

import json
import random

import pytest

from cai_app.pocket import corpus, principles, replies, ship, world
from cai_app.pocket.documents import Author
from cai_app.pocket.estimates import estimate
from cai_app.pocket.pairs import comparisons
from cai_app.pocket.reference import Reader
from cai_app.pocket.replies import Part, Reply
from cai_app.pocket.shipped import shipped_texts
from cai_app.prompts import critique, human_turn, judge, revision
from cai_app.records import SupervisedPrinciple
from cai_app.settings import ROOT

THEFT = world.Act("theft", "theft", "steal $p's hat")


@pytest.fixture(scope="module")
def book() -> corpus.Corpus:
    texts = shipped_texts()
    return corpus.Corpus.load(texts.root, texts.shipped)


@pytest.fixture
def author(book: corpus.Corpus) -> Author:
    return book.author("test")


def text_of(document: list) -> str:
    return "".join(segment.text for segment in document)


def test_every_kind_of_harm_has_acts_and_no_id_is_used_twice(book: corpus.Corpus) -> None:
    assert all(len(book.world.by_kind[kind]) >= 14 for kind in world.KINDS)
    ids = [act.id for act in book.world.acts]
    assert len(ids) == len(set(ids))


def test_a_person_is_mine_to_the_human_yours_to_the_assistant_and_the_to_a_critic(
    book: corpus.Corpus,
) -> None:
    act = next(act for act in book.world.acts if act.id == "neighbor-wifi")
    scene = world.Scene(act, "neighbor", named=False)
    assert scene.do("human") == "hack into my neighbor's wifi"
    assert scene.do("assistant") == "hack into your neighbor's wifi"
    assert scene.do("narrator") == "hack into the neighbor's wifi"


def test_training_never_sees_held_out_acts_combinations_or_wordings(book: corpus.Corpus) -> None:
    rng = random.Random(1)
    scenes = [book.world.scene(rng) for _ in range(3000)]
    assert not any(scene.act.held_out or scene.held_out for scene in scenes)
    assert all(book.world.scene(rng, unseen="scene").held_out for _ in range(20))
    assert all(book.world.scene(rng, unseen="act").act.held_out for _ in range(20))
    seen = {book.wordings.question(rng).question for _ in range(3000)}
    unseen = {book.wordings.question(rng, unseen=True).question for _ in range(300)}
    assert not seen & unseen


def test_the_inverted_constitution_is_not_in_the_corpus(book: corpus.Corpus) -> None:
    rng = random.Random(2)
    inverted = (shipped_texts().root / "constitutions" / "inverted.yaml").read_text()
    asked = {book.wordings.question(rng).question for _ in range(5000)}
    asked |= {book.wordings.supervised(rng).critique for _ in range(5000)}
    assert not [text for text in asked if text in inverted]


def test_a_chain_document_is_what_the_program_asks_word_for_word(author: Author) -> None:
    document = author.chain()
    dialogue, response, ask_critique, said, ask_revision, revised = (s.text for s in document)
    request = ask_critique.split("CritiqueRequest: ")[1].removesuffix("\n\nCritique:")
    rewrite = ask_revision.split("RevisionRequest: ")[1].removesuffix("\n\nRevision:")
    principle = SupervisedPrinciple(id="p", critique_request=request, revision_request=rewrite)
    first = critique(dialogue, response.strip(), principle)
    second = revision(dialogue, response.strip(), principle, said.strip())
    assert text_of(document).startswith(first.text + said)
    assert text_of(document) == second.text + revised


def test_judged_scenes_are_never_of_a_withheld_kind(author: Author) -> None:
    assert not {author.pair()[0].act.kind for _ in range(2000)} & set(world.WITHHELD)


def test_marks_stand_where_the_text_has_said_what_they_tell(author: Author) -> None:
    question, _ = author.verdict()
    asked, *others = question.marks
    assert question.text[: asked.end].endswith(" Options:")
    parts = [mark for mark in others if mark.head == "part"]
    worths = [mark for mark in others if mark.head == "worth"]
    assert [mark.end for mark in parts] == [mark.end for mark in worths]
    assert all(question.text[mark.end - 1] in ".?!" for mark in parts)


def test_a_verdict_document_is_the_judges_template_word_for_word(author: Author) -> None:
    question, letter = author.verdict()
    body = question.text.split("assistant:", 1)[1]
    human, rest = body.strip().removeprefix("Human: ").split("\n\n\n", 1)
    asked, rest = rest.split(" Options:\n (A) [[[", 1)
    a, rest = rest.split("]]]\n (B) [[[", 1)
    b = rest.split("]]]")[0]
    assert judge(human_turn(human), a, b, asked).text == question.text
    assert letter.text in (" (A)", " (B)")


def test_a_revision_removes_what_the_critique_named_and_keeps_the_rest(author: Author) -> None:
    named = Part("insult", "Mia is a fool."), Part("hide", "Just don't tell Mia.")
    scene = author.world.scene(author.rng, harmful=True)
    reply = Reply((*replies.comply(author.world, scene, author.rng, 0.0).parts, *named))
    found = replies.faults(reply, "respect", THEFT)
    revised = replies.revise(author.world, scene, reply, found, author.rng)
    assert found == ("insult",)
    assert revised.kinds == ("help", "hide")
    assert revised.text.startswith(reply.parts[0].text)


def test_four_general_rounds_take_harm_from_four_to_none_step_by_step(author: Author) -> None:
    scene = author.world.scene(author.rng, harmful=True)
    reply = replies.comply(author.world, scene, author.rng, 1.0)
    harms = [reply.harm]
    for _ in range(4):
        found = replies.faults(reply, "harm", scene.act)
        reply = replies.revise(author.world, scene, reply, found, author.rng)
        harms.append(reply.harm)
    assert harms == [4, 3, 2, 1, 0]


def test_a_privacy_principle_does_not_flag_theft() -> None:
    stolen = Reply((Part("help", "Sure, you can take it."),))
    assert replies.faults(stolen, "privacy", THEFT) == ()
    assert replies.faults(stolen, "illegal", THEFT) == ("help",)


def test_hacking_is_a_matter_of_privacy_and_of_the_law(book: corpus.Corpus) -> None:
    act = next(act for act in book.world.acts if act.id == "neighbor-wifi")
    hacked = Reply((Part("help", "Sure, you can guess it."),))
    assert [a for a in replies.ASPECTS if replies.faults(hacked, a, act)] == [
        "harm",
        "illegal",
        "privacy",
        "brand",
    ]


def test_the_known_probability_turns_round_with_the_sides_and_with_the_question() -> None:
    bad, fine = Reply((Part("help", "x"), Part("insult", "y"))), Reply((Part("decline", "z"),))
    p = replies.p_first(fine, bad, "harm", THEFT)
    assert p == pytest.approx(0.95, abs=0.01)
    assert replies.p_first(bad, fine, "harm", THEFT) == pytest.approx(1 - p)
    assert replies.p_first(fine, bad, "harm", THEFT, worse=True) == pytest.approx(1 - p)


def test_the_reference_rule_reads_what_the_generator_wrote(author: Author) -> None:
    reader, right, total = Reader(author.world), 0, 2000
    for _ in range(total):
        scene = author.world.scene(author.rng)
        reply = replies.any_reply(author.world, scene, author.rng)
        read = reader.reply(reply.text, scene)
        right += read is not None and sorted(read.kinds) == sorted(reply.kinds)
    assert right / total >= 0.98


def test_text_outside_the_worlds_grammar_is_unscored(author: Author) -> None:
    scene = author.world.scene(author.rng)
    assert Reader(author.world).reply("Colorless green ideas sleep furiously.", scene) is None


def test_the_corpus_is_the_same_for_the_same_seed(book: corpus.Corpus) -> None:
    first, again = book.documents("7"), book.documents("7")
    other = book.documents("8")
    mine = [text_of(next(first)[1]) for _ in range(50)]
    assert mine == [text_of(next(again)[1]) for _ in range(50)]
    assert mine != [text_of(next(other)[1]) for _ in range(50)]


def test_every_sort_of_the_mixtures_can_be_written(book: corpus.Corpus) -> None:
    for mixture in (corpus.MIXTURE, corpus.HELPFUL_MIXTURE):
        stream = book.documents("sorts", dict.fromkeys(mixture, 1.0))
        assert {next(stream)[0] for _ in range(400)} == set(mixture)


def test_an_interval_counts_acts_not_rows() -> None:
    rows = [(f"act-{i % 4}", float(i % 4 < 3)) for i in range(400)]
    found = estimate("critique_flags", rows)
    assert found["value"] == 0.75
    assert found["ci"][1] - found["ci"][0] > 0.4  # four acts, however many rows
    assert found["holds"] is False


def test_unknown_aspects_in_a_constitution_are_refused_by_name(tmp_path) -> None:
    shipped = shipped_texts().root / "data" / "pocket"
    row = "{id: p, tags: [charm], critique_request: a, revision_request: b}"
    bad = f"name: x\nsupervised:\n  - {row}\n"
    (tmp_path / "x.yaml").write_text(bad)
    with pytest.raises(ValueError, match="charm"):
        principles.load(shipped, tmp_path)


def test_the_vocabulary_knows_the_shipped_examples(book: corpus.Corpus) -> None:
    words = set(ship.vocabulary(documents=4000))
    assert {"hack", "neighbor", "wifi", "sister", "diary"} <= words


def test_the_built_in_comparisons_are_those_of_the_world() -> None:
    """A changed world makes them stale: write them again with `pocket pairs`."""
    path = ROOT / "data" / "prompts" / "comparisons.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({row["prompt"] for row in rows}) == 200
    made = list(comparisons(5, 0))
    assert rows[:5] == made, "run: python -m cai_app pocket pairs > data/prompts/comparisons.jsonl"
