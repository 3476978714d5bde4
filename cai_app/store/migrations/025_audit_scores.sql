-- What a preference model says of a comparison both of whose responses it has scored. Its loss is
-- that of Bradley and Terry, so P(a) is the logistic of the difference of scores.
CREATE VIEW score_answers AS
WITH scores AS (
    SELECT l.rater, l.subject, avg(l.value) AS score
    FROM latest_labels l JOIN raters r ON r.id = l.rater
    WHERE l.kind = 'score' AND l.value IS NOT NULL AND r.kind <> 'human'
    GROUP BY ALL
)
SELECT one.rater, c.id AS comparison,
       1 / (1 + exp(greatest(-50, least(50, other.score - one.score)))) AS p
FROM comparisons c
JOIN scores one ON one.subject = c.a
JOIN scores other ON other.subject = c.b AND other.rater = one.rater;

-- How far a response refuses, as each rater sees it: 1 for a refusal, 0 for compliance.
CREATE VIEW refusal_answers AS
SELECT r.kind, l.rater, l.subject AS response, avg(l.value) AS value,
       CASE WHEN count(DISTINCT l.question) <= 1 THEN min(l.question) END AS question
FROM latest_labels l JOIN raters r ON r.id = l.rater
WHERE l.kind = 'refusal' AND l.value IS NOT NULL
GROUP BY ALL;

-- `ai_answers` of one rater, without a sort of all labels: a third of the time for a million.
CREATE MACRO answers_of(who) AS TABLE
WITH mine AS (SELECT * FROM labels WHERE rater = who AND kind = 'preference'),
newest AS (
    SELECT subject, arg_max(coalesce(run, id), (coalesce(time, added), seq)) AS batch
    FROM mine GROUP BY subject
)
SELECT
    mine.subject AS comparison,
    avg(value) AS p,
    avg(list_extract(list_filter(orders, lambda o: o."first" = 'a'), 1).p_a) AS p_a_first,
    avg(list_extract(list_filter(orders, lambda o: o."first" = 'b'), 1).p_a) AS p_b_first,
    coalesce(stddev_pop(value), 0) AS spread,
    CASE WHEN min(principle) = max(principle) THEN min(principle) END AS principle,
    CASE WHEN min(question) = max(question) THEN min(question) END AS question
FROM mine JOIN newest ON newest.subject = mine.subject AND coalesce(run, id) = batch
WHERE value IS NOT NULL
GROUP BY mine.subject;
