-- Weighs what Ringback writes on PostgreSQL: bytes kept and bytes of log for a lead with two messages, a tracked event and a provider's report.
-- Run it as the owner on a scratch database that has the schema and nothing else:
--
--     psql --file docs/scale/weigh.sql postgres://ringback_owner@…/scratch
--
-- Rows are as wide as the preset `bench` makes them, spread over 10,000 tenants at random, in commits of 32 leads, 200 events or 200 reports.
\set QUIET on
\pset tuples_only on
SET ringback.operator = 'on';
SET synchronous_commit = off;
-- Rows are found by their key, as the program finds them, also while the planner does not know yet how many there are.
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;

CREATE TEMPORARY TABLE scale (what TEXT, n BIGINT, kept BIGINT, log PG_LSN);

CREATE FUNCTION pg_temp.kept() RETURNS BIGINT LANGUAGE SQL AS $$
    SELECT sum(pg_total_relation_size(oid))::BIGINT FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind = 'r'
$$;

-- A tenant, always the same for the same lead.
CREATE FUNCTION pg_temp.tenant(lead BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS $$
    SELECT 1 + ('x' || substr(md5(lead::TEXT), 1, 8))::BIT(32)::BIGINT % 10000
$$;

CREATE FUNCTION pg_temp.leads(first BIGINT, last BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    words TEXT := repeat('x', 120);
BEGIN
    INSERT INTO leads (id, tenant_id, number, first_name, last_name, phone, email, source, state, zip, attributes, products, product, stage, points, tier, anonymous, created_at, updated_at, last_event_at)
    SELECT n, pg_temp.tenant(n), n, 'Ada', 'Whitfield', '+1303555' || n, n || '@example.com', 'google', 'CO', '80202', '{"service":"drain"}', '["plumbing"]', 'plumbing', 'new', 60, 'hot', 0, n, n, n
    FROM generate_series(first, last) AS n;
    INSERT INTO contact_points (tenant_id, kind, value, lead_id, added_at, consent, recent)
    SELECT pg_temp.tenant(n), kind, md5(n || '-' || kind), n, n, 1, decode('0102030405060708', 'hex') FROM generate_series(first, last) AS n, generate_series(0, 1) AS kind;
    INSERT INTO events (id, tenant_id, lead_id, kind, at, received_at, source, session_id, properties)
    SELECT n * 16, pg_temp.tenant(n), n, 'lead.captured', n, n, 'form', n, '{"form":"quote","page":"/quote","answers":"' || words || words || '"}' FROM generate_series(first, last) AS n;
    INSERT INTO score_ledger (tenant_id, lead_id, model, session_id, event_id, rule, model_version, points, at, why)
    SELECT pg_temp.tenant(n), n, 'fit', 0, n * 16, 'rule-' || rule, 1, 20, n, 'the form says so' FROM generate_series(first, last) AS n, generate_series(1, 3) AS rule;
    INSERT INTO score_states (tenant_id, lead_id, model, session_id, points, tier, state)
    SELECT pg_temp.tenant(n), n, 'fit', 0, 60, 'hot', '{"counts":{}}' FROM generate_series(first, last) AS n;
    INSERT INTO runs (id, tenant_id, lead_id, workflow, version, event_id, state, data, created_at, ended_at)
    SELECT n * 16 + 1, pg_temp.tenant(n), n, 'answer', 1, n * 16, 2, '{}', n, n FROM generate_series(first, last) AS n;
    INSERT INTO idempotency_keys (tenant_id, day, key, hash, status, answer)
    SELECT pg_temp.tenant(n), 1, md5('key ' || n), decode(md5('a') || md5('b'), 'hex'), 201, '{"id":"lead_' || n || '","messages":[]}' || words FROM generate_series(first, last) AS n;
    -- Born claimed, and settled by a later turn.
    INSERT INTO messages (id, tenant_id, lead_id, run_id, notification_id, event_id, channel, recipient, category, priority, status, state, due_at, created_at, template, template_version, data, verdict, epoch, attempt_id, deadline, hash)
    SELECT n * 16 + 2 + channel, pg_temp.tenant(n), n, n * 16 + 1, n * 16, n * 16, channel, n || '@example.com', 0, 1, 3, 1, n, n, 'answer', 1,
        '{"data":"' || repeat(words, 4) || '"}', '{"gates":"' || repeat(words, 3) || '"}', 1, n, n, decode(md5('c') || md5('d'), 'hex')
    FROM generate_series(first, last) AS n, generate_series(0, 1) AS channel;
END
$$;

CREATE FUNCTION pg_temp.settle(first BIGINT, last BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    -- Tenants are worked out apart: past the second wall an index is used for plain values alone.
    UPDATE messages SET status = 4, state = 2, provider_ref = md5(id::TEXT), accepted_at = 1, settled_at = 1, deadline = NULL
    FROM (SELECT pg_temp.tenant(n) AS tenant, n * 16 + 2 + channel AS message FROM generate_series(first, last) AS n, generate_series(0, 1) AS channel OFFSET 0) AS these
    WHERE tenant_id = these.tenant AND id = these.message;
    INSERT INTO attempts (id, tenant_id, message_id, number, started_at, finished_at, outcome, provider_ref)
    SELECT n * 16 + 4 + channel, pg_temp.tenant(n), n * 16 + 2 + channel, 1, n, n, 'accepted', md5(n::TEXT) FROM generate_series(first, last) AS n, generate_series(0, 1) AS channel;
END
$$;

-- A page view of a known lead: a line of history, its visit, in one of three a point.
CREATE FUNCTION pg_temp.events(first BIGINT, last BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (id, tenant_id, lead_id, kind, at, received_at, source, session_id, properties)
    SELECT 1000000000 + n, pg_temp.tenant(n % 64000), n % 64000, 'page', n, n, 'track', n, '{"path":"/emergency","referrer":"https://example.com/","title":"' || repeat('x', 60) || '"}' FROM generate_series(first, last) AS n;
    INSERT INTO sessions (id, tenant_id, lead_id, number, started_at, last_at, data)
    SELECT n % 64000, pg_temp.tenant(n % 64000), n % 64000, 1, n, n, '{"pages":1}' FROM generate_series(first, last) AS n
    ON CONFLICT (tenant_id, id) DO UPDATE SET last_at = excluded.last_at;
    INSERT INTO score_ledger (tenant_id, lead_id, model, session_id, event_id, rule, model_version, points, at, why)
    SELECT pg_temp.tenant(n % 64000), n % 64000, 'visit', n, n, 'looked', 1, 5, n, 'looked at prices' FROM generate_series(first, last) AS n WHERE n % 3 = 0;
END
$$;

-- A delivery report: the message moves on, and the report is remembered.
CREATE FUNCTION pg_temp.reports(first BIGINT, last BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    UPDATE messages SET status = 5, facts = '[{"delivered":1}]'
    FROM (SELECT pg_temp.tenant(n) AS tenant, n * 16 + 2 AS message FROM generate_series(first, last) AS n OFFSET 0) AS these
    WHERE tenant_id = these.tenant AND id = these.message;
    INSERT INTO seen (tenant_id, day, key) SELECT pg_temp.tenant(n), 1, md5('seen ' || n) FROM generate_series(first, last) AS n;
END
$$;

INSERT INTO scale SELECT 'begin', 0, pg_temp.kept(), pg_current_wal_lsn();
DO $$
BEGIN
    FOR turn IN 0..1999 LOOP
        PERFORM pg_temp.leads(turn * 32 + 1, turn * 32 + 32);
        COMMIT;
        PERFORM pg_temp.settle(turn * 32 + 1, turn * 32 + 32);
        COMMIT;
    END LOOP;
END
$$;
INSERT INTO scale SELECT 'a lead with two messages', 64000, pg_temp.kept(), pg_current_wal_lsn();
DO $$
BEGIN
    FOR turn IN 0..1999 LOOP
        PERFORM pg_temp.events(turn * 200 + 1, turn * 200 + 200);
        COMMIT;
    END LOOP;
END
$$;
INSERT INTO scale SELECT 'a tracked event', 400000, pg_temp.kept(), pg_current_wal_lsn();
DO $$
BEGIN
    FOR turn IN 0..319 LOOP
        PERFORM pg_temp.reports(turn * 200 + 1, turn * 200 + 200);
        COMMIT;
    END LOOP;
END
$$;
INSERT INTO scale SELECT 'a report', 64000, pg_temp.kept(), pg_current_wal_lsn();

SELECT what || ': ' || (kept - lag(kept) OVER w) / n || ' bytes kept, ' || round((log - lag(log) OVER w) / n) || ' bytes of log'
FROM scale WINDOW w AS (ORDER BY log) OFFSET 1;
