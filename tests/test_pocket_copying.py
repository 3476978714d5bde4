"""What must be copied, and what is learned of a text that is only quoted."""

import re
from dataclasses import replace

import pytest
from transformers import AutoTokenizer

from cai_app.pocket import casting, replies, two_step
from cai_app.pocket.corpus import Corpus, copied, encode
from cai_app.pocket.reference import Reader, on_record
from cai_app.pocket.replies import Part, Reply
from cai_app.pocket.segments import KNOWN, QUOTED, Segment, known_stretches
from cai_app.pocket.shipped import shipped_texts


@pytest.fixture(scope="module")
def book() -> Corpus:
    texts = shipped_texts()
    return Corpus.load(texts.root, texts.shipped)


def test_three_tokens_said_again_point_at_their_newest_earlier_place() -> None:
    ids = [1, 7, 8, 9, 2, 7, 8, 9, 3, 7, 8, 9, 4]
    weights = [0.0] * 9 + [1.0] * 4

    assert copied(ids, weights) == [(9, 5), (10, 6), (11, 7)]


def test_two_tokens_in_a_row_are_chance_and_what_the_human_says_is_no_copy() -> None:
    assert copied([1, 7, 8, 9, 2, 7, 8, 5], [0.0] * 5 + [1.0] * 3) == []
    assert copied([1, 7, 8, 9, 2, 7, 8, 9], [0.1] * 8) == []


def test_a_run_goes_on_where_it_is_though_another_place_has_the_same_words() -> None:
    ids = [1, 7, 8, 9, 5, 6, 2, 7, 8, 9, 3, 7, 8, 9, 3, 4]
    weights = [0.0] * 11 + [1.0] * 5

    assert copied(ids, weights) == [(11, 7), (12, 8), (13, 9), (14, 10)]


def test_some_people_and_things_of_training_have_no_word_and_no_measured_ones(book: Corpus) -> None:
    named = {*book.world.people, *book.world.relatives}

    def unnamed(mixing: float) -> int:
        author = replace(book.author("coined"), mixing=mixing)
        scenes = [author._scene() for _ in range(500)]
        return sum(not scene.named and scene.person not in named for scene in scenes)

    assert unnamed(0) == 0
    assert 10 < unnamed(0.2) < 100


def test_a_quoted_reply_teaches_how_its_parts_go_on_but_not_how_they_begin() -> None:
    parts = Part("help", "Sure, you can wear a mask."), Part("evade", "I would rather not.")
    reply = Reply(parts)
    text = " " + reply.text

    assert [text[a:b] for a, b in known_stretches(reply, 1)] == [" a mask."]
    tokenizer = AutoTokenizer.from_pretrained(shipped_texts().root / "data" / "pocket" / "m")
    segment = Segment(text, QUOTED, known=known_stretches(reply, 1))
    row = encode([segment], tokenizer)
    learned = [id for id, weight in zip(row.ids, row.weights, strict=True) if weight == KNOWN]
    assert tokenizer.decode(learned) == " a mask."


def test_what_was_put_together_from_two_acts_is_not_learned_of_either(book: Corpus) -> None:
    acts = set(map(id, book.world.acts))
    training = replace(book.author("quoted"), mixing=1.0)
    written = book.author("quoted")
    for author, some in ((training, False), (written, True)):
        for _ in range(100):
            scene, first, _ = author.pair()
            known = casting.known(book.world, scene, [(first, 0)])
            assert bool(known) <= (id(scene.act) in acts)
            assert not some or known or len(first.text.split()) < 8


def test_a_two_step_judgement_says_the_condition_again_before_it_settles_it(book: Corpus) -> None:
    author = book.author("steps")
    for _ in range(20):
        text = "".join(segment.text for segment in two_step.reasoned(author))
        thought = text.rpartition("step by step:")[2]
        form = r" The human [^.]+\. Is it that the human [^?]+\? (Yes|No)\. So it counts which"
        assert re.match(form, thought)


def test_an_asker_is_told_before_the_request_and_advertised_to(book: Corpus) -> None:
    author = replace(book.author("askers"), asking=1.0)
    scene = author._scene(harmful=False)
    assert author.ask(scene).startswith(f"I am {scene.asker}. ")
    praise = replies.advertised(book.world, scene, author.rng).text
    assert scene.asker in praise and "Glimmer" in praise
    assert Reader(book.world).reply(praise, scene).kinds == ("brand",)
    assert on_record(book.world, scene, praise) == {"brand"}
    assert all(not book.author("nobody")._scene().asker for _ in range(5))


def test_nobody_says_who_they_are_before_asking_for_something_flirty(book: Corpus) -> None:
    author = replace(book.author("flirty"), asking=1.0)
    assert not any(author._scene(kinds=("adult",), harmful=True).asker for _ in range(20))
