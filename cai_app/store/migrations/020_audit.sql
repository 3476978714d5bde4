-- Spot-checks. A queue's pool is frozen when it is drawn: what the AI had said of every row, and
-- with what chance each was drawn; place is the order of serving, NULL for rows that were not drawn.
CREATE TABLE queues (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    ai VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    wanted INTEGER NOT NULL,
    floor DOUBLE NOT NULL,
    seed BIGINT NOT NULL,
    overlap DOUBLE NOT NULL,
    repeats DOUBLE NOT NULL,
    reveal VARCHAR NOT NULL CHECK (reveal IN ('end', 'item')),
    source VARCHAR,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE queue_rows (
    queue VARCHAR NOT NULL,
    comparison VARCHAR NOT NULL,
    probability DOUBLE NOT NULL,
    place INTEGER,
    p DOUBLE NOT NULL,
    gap DOUBLE,
    spread DOUBLE,
    principle VARCHAR,
    question VARCHAR
);

-- What people answered, only ever added: the latest for a row counts, and `undone` takes it back.
-- label is the label it became; a planted repeat becomes none. blind says what kept the AI's answer
-- from the rater: the server (a login, another address), the page alone, or nothing any more.
CREATE TABLE answers (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    queue VARCHAR NOT NULL,
    comparison VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    repeat BOOLEAN NOT NULL,
    answer VARCHAR NOT NULL CHECK (answer IN ('a', 'b', 'tie', 'both_bad', 'skip', 'undone')),
    swapped BOOLEAN NOT NULL,
    label VARCHAR,
    note VARCHAR,
    lead_ms BIGINT,
    blind VARCHAR NOT NULL CHECK (blind IN ('server', 'page', 'revealed')),
    time TIMESTAMPTZ NOT NULL,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- AI answers that a person has seen: in a queue, or elsewhere on the page (queue NULL).
CREATE TABLE reveals (
    rater VARCHAR NOT NULL,
    comparison VARCHAR NOT NULL,
    queue VARCHAR,
    time TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- The answer of each rater to each row that counts. `answer` is about the stored sides, however
-- they were shown.
CREATE VIEW latest_answers AS
SELECT * EXCLUDE (newest) FROM (
    SELECT *, max(seq) OVER (PARTITION BY queue, comparison, rater, repeat) AS newest FROM answers
) WHERE seq = newest AND answer <> 'undone';

-- What an AI rater says of a comparison: the mean over the principles that it was asked under, and
-- the two orders. question and principle are NULL where there is more than one.
CREATE VIEW ai_answers AS
SELECT
    l.rater,
    l.subject AS comparison,
    avg(l.value) AS p,
    avg(list_extract(list_filter(l.orders, lambda o: o."first" = 'a'), 1).p_a) AS p_a_first,
    avg(list_extract(list_filter(l.orders, lambda o: o."first" = 'b'), 1).p_a) AS p_b_first,
    coalesce(stddev_pop(l.value), 0) AS spread,
    CASE WHEN count(DISTINCT l.principle) <= 1 THEN min(l.principle) END AS principle,
    CASE WHEN count(DISTINCT l.question) <= 1 THEN min(l.question) END AS question,
    count(*) AS principles
FROM latest_labels l JOIN raters r ON r.id = l.rater
WHERE l.kind = 'preference' AND l.value IS NOT NULL AND r.kind <> 'human'
GROUP BY ALL;

-- What people (and reference rules) say of a comparison, with the answer it came from where it came
-- from a queue.
CREATE VIEW human_answers AS
SELECT
    r.kind,
    l.rater,
    l.subject AS comparison,
    l.value,
    l.question,
    l.principle,
    l.id AS label,
    a.queue,
    a.answer,
    a.lead_ms,
    a.note,
    a.blind
FROM latest_labels l
JOIN raters r ON r.id = l.rater
LEFT JOIN latest_answers a ON a.label = l.id
WHERE l.kind = 'preference' AND l.value IS NOT NULL AND r.kind IN ('human', 'reference');
