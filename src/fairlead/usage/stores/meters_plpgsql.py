"""The tables and functions that PostgreSQL has for shared limits.

The types of tables are those of every schema; the functions are PostgreSQL's own, so their types
are written small.
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS limit_meter (
    key TEXT NOT NULL PRIMARY KEY, used INTEGER NOT NULL, back INTEGER NOT NULL,
    since INTEGER NOT NULL, amount INTEGER NOT NULL, period INTEGER NOT NULL,
    until INTEGER NOT NULL) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS limit_holder (
    who TEXT NOT NULL PRIMARY KEY, until INTEGER NOT NULL, swept INTEGER NOT NULL)
    WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS limit_place (
    key TEXT NOT NULL, who TEXT NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (key, who)) WITH (fillfactor = 50);

CREATE OR REPLACE FUNCTION limit_clock() RETURNS bigint LANGUAGE sql VOLATILE AS $body$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$body$;

CREATE OR REPLACE FUNCTION present_limits(holder text, term bigint) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    now_us bigint := limit_clock();
    holders bigint;
    last bigint;
BEGIN
    INSERT INTO limit_holder AS h VALUES (holder, now_us + term, 0)
        ON CONFLICT (who) DO UPDATE SET until = excluded.until RETURNING h.swept INTO last;
    SELECT count(*) INTO holders FROM limit_holder WHERE until > now_us;
    IF last = now_us / 60000000 THEN
        RETURN holders;
    END IF;
    UPDATE limit_holder SET swept = now_us / 60000000 WHERE who = holder;
    DELETE FROM limit_meter WHERE key IN (
        SELECT key FROM limit_meter WHERE until BETWEEN 1 AND now_us - 1
        LIMIT 1000 FOR UPDATE SKIP LOCKED);
    -- Long after anybody could think them there.
    DELETE FROM limit_holder WHERE who IN (
        SELECT who FROM limit_holder WHERE until < now_us - 60 * term
        LIMIT 1000 FOR UPDATE SKIP LOCKED);
    DELETE FROM limit_place WHERE (key, who) IN (
        SELECT key, who FROM limit_place p
        WHERE NOT EXISTS (SELECT FROM limit_holder h WHERE h.who = p.who)
        LIMIT 1000 FOR UPDATE SKIP LOCKED);
    RETURN holders;
END
$body$;

CREATE OR REPLACE FUNCTION limit_cost(units bigint, m jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $body$
    SELECT least(4503599627370496,
        ceil(units::numeric * (m->>4)::numeric / (m->>3)::numeric))::bigint
$body$;

-- How much of a meter is used: units, or microseconds of a rate.
CREATE OR REPLACE FUNCTION limit_used(m jsonb, now_us bigint) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    kept limit_meter%ROWTYPE;
    level bigint;
BEGIN
    IF m->>1 = 'held' THEN
        RETURN (SELECT coalesce(sum(p.units), 0) FROM limit_place p
            WHERE p.key = m->>0 AND (SELECT h.until FROM limit_holder h WHERE h.who = p.who)
                > now_us);
    END IF;
    SELECT * INTO STRICT kept FROM limit_meter WHERE key = m->>0;
    IF m->>1 = 'sum' THEN
        RETURN kept.used;
    END IF;
    level := greatest(0, kept.used - now_us);
    IF kept.amount <> (m->>3)::bigint OR kept.period <> (m->>4)::bigint THEN
        level := least(4503599627370496, ceil(level::numeric * kept.amount / kept.period
            * (m->>4)::numeric / (m->>3)::numeric))::bigint;
        UPDATE limit_meter SET used = now_us + level, back = 0,
            since = greatest(now_us, since + 1), amount = (m->>3)::bigint,
            period = (m->>4)::bigint WHERE key = m->>0;
    END IF;
    RETURN level;
END
$body$;

CREATE OR REPLACE FUNCTION limit_take(m jsonb, holder text, units bigint, now_us bigint)
RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    level bigint;
BEGIN
    IF m->>1 = 'held' THEN
        INSERT INTO limit_place VALUES (m->>0, holder, units)
            ON CONFLICT (key, who) DO UPDATE SET units = limit_place.units + excluded.units;
    ELSIF m->>1 = 'sum' THEN
        UPDATE limit_meter SET used = least(9007199254740991, used + limit_take.units)
            WHERE key = m->>0;
    ELSE
        level := least(4503599627370496, limit_used(m, now_us) + limit_cost(units, m));
        UPDATE limit_meter SET used = now_us + level,
            until = now_us + level + 60000000 WHERE key = m->>0;
    END IF;
END
$body$;

CREATE OR REPLACE FUNCTION limit_back(
    m jsonb, holder text, units bigint, top bigint, since bigint, now_us bigint)
RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    level bigint;
    most bigint;
BEGIN
    IF m->>1 = 'held' THEN
        DELETE FROM limit_place p WHERE p.key = m->>0 AND p.who = holder;
        IF units > 0 THEN
            INSERT INTO limit_place VALUES (m->>0, holder, units);
        END IF;
    ELSIF units < 0 THEN
        PERFORM limit_take(m, holder, -units, now_us);
    ELSIF m->>1 = 'sum' THEN
        UPDATE limit_meter SET used = greatest(0, used - units) WHERE key = m->>0;
    ELSE
        level := limit_used(m, now_us);
        most := floor(units::numeric * (m->>4)::numeric / (m->>3)::numeric)::bigint;
        UPDATE limit_meter r SET used = r.used - less.it, back = r.back + less.it
        FROM (SELECT greatest(0, least(most, top - l.back - now_us, level)) AS it
              FROM limit_meter l WHERE l.key = m->>0) AS less
        WHERE r.key = m->>0 AND r.since = limit_back.since;
    END IF;
END
$body$;

CREATE OR REPLACE FUNCTION limit_left(m jsonb, used bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN m->>1 = 'rate' THEN
        least((m->>2)::numeric, floor(greatest(0, (m->>5)::numeric - used)
            * (m->>3)::numeric / (m->>4)::numeric))::bigint
    ELSE greatest(0, (m->>2)::bigint - used) END
$body$;

CREATE OR REPLACE FUNCTION limit_wait(m jsonb, used bigint, needed bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN needed = 0 OR limit_left(m, used) >= needed THEN 0
        WHEN m->>1 <> 'rate' OR needed > (m->>2)::bigint THEN -1
        ELSE greatest(1, used + limit_cost(needed, m) - (m->>5)::bigint) END
$body$;

-- A plan that was made while a table was small is used for long: it must use the keys.
CREATE OR REPLACE FUNCTION lend_limits(holder text, term bigint, said jsonb) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off AS $body$
DECLARE
    now_us bigint := limit_clock();
    meters jsonb[] := ARRAY(SELECT v FROM jsonb_array_elements(said->'meters') AS v);
    one jsonb;
    asked jsonb;
    m jsonb;
    fits boolean;
    waits bigint[];
    units bigint;
    used bigint;
    rest bigint;
    lent jsonb;
    answer text[] := '{}';
    ticket record;
BEGIN
    INSERT INTO limit_holder VALUES (holder, now_us + term, 0)
        ON CONFLICT (who) DO UPDATE SET until = excluded.until;
    -- Locks every row, and makes those that are missing.
    INSERT INTO limit_meter
        SELECT v->>0, 0, 0, now_us, max((v->>3)::bigint), max((v->>4)::bigint),
            CASE WHEN min(v->>1) = 'sum' AND max((v->>6)::bigint) = 0 THEN 0
                ELSE greatest(max((v->>6)::bigint), now_us + CASE WHEN min(v->>1) = 'sum'
                    THEN 259200000000 ELSE 600000000 END) END
        FROM unnest(meters) AS v GROUP BY v->>0 ORDER BY (v->>0) COLLATE "C"
        ON CONFLICT (key) DO UPDATE SET until = greatest(limit_meter.until, excluded.until);
    now_us := limit_clock();
    FOR one IN SELECT v FROM jsonb_array_elements(said->'back') AS v LOOP
        PERFORM limit_back(meters[(one->>0)::int + 1], holder, (one->>1)::bigint,
            (one->>2)::bigint, (one->>3)::bigint, now_us);
    END LOOP;
    FOR asked IN SELECT v FROM jsonb_array_elements(said->'groups') AS v LOOP
        fits := true;
        waits := '{}';
        FOR one IN SELECT v FROM jsonb_array_elements(asked) AS v LOOP
            m := meters[(one->>0)::int + 1];
            waits := waits || limit_wait(m, limit_used(m, now_us), (one->>1)::bigint);
            fits := fits AND waits[array_length(waits, 1)] = 0;
        END LOOP;
        lent := '[]';
        FOR one IN SELECT v FROM jsonb_array_elements(asked) AS v LOOP
            m := meters[(one->>0)::int + 1];
            rest := limit_left(m, limit_used(m, now_us));
            units := 0;
            IF fits THEN
                units := greatest((one->>1)::bigint, least((one->>2)::bigint, rest),
                    least((one->>3)::bigint, rest / 2));
                IF units > 0 THEN
                    PERFORM limit_take(m, holder, units, now_us);
                END IF;
                rest := greatest(0, rest - units);
            END IF;
            SELECT r.used + r.back AS top, r.since INTO ticket
                FROM limit_meter r WHERE r.key = m->>0 AND m->>1 = 'rate';
            lent := lent || jsonb_build_array(jsonb_build_array(units, rest,
                waits[jsonb_array_length(lent) + 1],
                coalesce(ticket.top, 0), coalesce(ticket.since, 0)));
        END LOOP;
        answer := answer || lent::text;
    END LOOP;
    RETURN '[' || array_to_string(answer, ',') || ']';
END
$body$;
"""
