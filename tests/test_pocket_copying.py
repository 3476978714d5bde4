"""The copying lesson: what the assistant says again points at where it was said before."""

from cai_app.pocket.corpus import copied


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
