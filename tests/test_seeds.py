"""The table over seeds: means and spreads by hand, intervals within a seed, nothing invented."""

from cai_app.commands.seeds import Number, summary, table


def test_means_and_spreads_are_those_of_the_seeds() -> None:
    rows = [{"harm": Number(value, (value - 0.1, value + 0.1), 30)} for value in (0.2, 0.4, 0.6)]
    mean, spread = summary(rows)["harm"]
    assert abs(mean - 0.4) < 1e-12 and abs(spread - 0.2) < 1e-12
    assert "held_out_pm" not in summary(rows)
    text = table(dict(enumerate(rows, 5)), "python -m cai_app results --seeds 3")
    line = next(line for line in text.splitlines() if line.startswith("| harm (0-4), end"))
    assert "| 0.20 (0.10 to 0.30, n 30) |" in line and line.endswith("| 0.40 ± 0.20 |")
    assert "| seed 5 | seed 6 | seed 7 |" in text


def test_what_one_seed_could_not_measure_has_no_mean() -> None:
    rows = [{"harm": Number(1.0)}, {}]
    assert summary(rows) == {}
    line = next(line for line in table(dict(enumerate(rows)), "x").splitlines() if "end" in line)
    assert "unscored" in line
    assert summary(rows[:1]) == {}  # one seed has no spread
