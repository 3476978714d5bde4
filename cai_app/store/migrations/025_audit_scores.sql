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
