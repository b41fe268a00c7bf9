-- The twin of the schema of SQLite. Times are microseconds UTC, ids 63-bit integers in time order, documents JSON as text; text is ordered by its
-- bytes, as on SQLite. Primary, foreign and unique keys begin with the tenant, so that tables can be distributed by it.

CREATE TABLE tenants (
    id BIGINT PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    secret BYTEA NOT NULL CHECK (octet_length(secret) = 32),
    requests_per_minute BIGINT,
    messages_per_hour BIGINT,
    sandbox BIGINT NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1)),
    kill TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    -- Counts up over all tenants: what servers keep in mind of this one changed last when it was so high.
    changed BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX tenants_changed ON tenants (changed);

CREATE TABLE keys (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('secret', 'test', 'write')),
    name TEXT COLLATE "C" NOT NULL,
    shown TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    scopes TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, shown)
);

CREATE TABLE users (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    email TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'agent', 'viewer')),
    password TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    UNIQUE (tenant_id, email),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE sign_in_links (
    hash BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE TABLE browser_sessions (
    hash BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- A tenant's configuration: the files of its folder, every version kept.
CREATE TABLE documents (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    path TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    text TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, path, version)
);

-- What a tenant's configuration is to become: files that were written and do not hold yet. Without text a file is to go. base is the version
-- that was edited, 0 for a new file.
CREATE TABLE document_drafts (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    path TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C",
    base BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, path)
);

CREATE TABLE staff (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT COLLATE "C" NOT NULL,
    phone TEXT COLLATE "C",
    email TEXT COLLATE "C",
    roles TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    lists TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    on_call BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE connections (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    channel BIGINT NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    settings BYTEA NOT NULL,
    path_secret TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL DEFAULT 0,
    enabled BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    trouble TEXT COLLATE "C",
    breaker TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE leads (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    first_name TEXT COLLATE "C",
    last_name TEXT COLLATE "C",
    phone TEXT COLLATE "C",
    email TEXT COLLATE "C",
    source TEXT COLLATE "C",
    city TEXT COLLATE "C",
    state TEXT COLLATE "C",
    zip TEXT COLLATE "C",
    country TEXT COLLATE "C",
    time_zone TEXT COLLATE "C",
    attributes TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    tags TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    products TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    product TEXT COLLATE "C",
    stage TEXT COLLATE "C",
    points BIGINT NOT NULL DEFAULT 0,
    tier TEXT COLLATE "C",
    anonymous BIGINT NOT NULL,
    test BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_event_at BIGINT NOT NULL,
    ringing_since BIGINT,
    answered_at BIGINT,
    answered_by TEXT COLLATE "C",
    merged_into BIGINT,
    -- Who of ours has it in hand, since when, who was alerted, and the segments it is in.
    owner TEXT COLLATE "C",
    kept TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    deleted_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX leads_number ON leads (tenant_id, number);
CREATE INDEX leads_tenant ON leads (tenant_id, id) WHERE merged_into IS NULL AND deleted_at IS NULL;
-- Who was merged into a lead goes with it when it is deleted.
CREATE INDEX leads_merged ON leads (tenant_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX leads_ringing ON leads (tenant_id, ringing_since) WHERE ringing_since IS NOT NULL AND answered_at IS NULL AND merged_into IS NULL AND deleted_at IS NULL;

-- One phone number, email address, browser or outside identity; one seek tells whose it is, whether it may be used and what it had lately.
CREATE TABLE contact_points (
    tenant_id BIGINT NOT NULL,
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 3),
    value TEXT COLLATE "C" NOT NULL,
    lead_id BIGINT,
    added_at BIGINT NOT NULL,
    suppressed BIGINT NOT NULL DEFAULT 0,
    suppressed_at BIGINT,
    suppressed_how TEXT COLLATE "C",
    consent BIGINT NOT NULL DEFAULT 0,
    terms BYTEA,
    recent BYTEA,
    PRIMARY KEY (tenant_id, kind, value)
);
CREATE INDEX contact_points_lead ON contact_points (tenant_id, lead_id) WHERE lead_id IS NOT NULL;
CREATE INDEX contact_points_suppressed ON contact_points (tenant_id, suppressed_at) WHERE suppressed <> 0;

CREATE TABLE events (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C",
    session_id BIGINT,
    properties TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX events_lead ON events (tenant_id, lead_id, id);

-- Names that callers gave to events, so that a repeated one changes nothing (S1).
CREATE TABLE event_keys (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    event_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, lead_id, key)
);

CREATE TABLE sessions (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sessions_lead ON sessions (tenant_id, lead_id, id);

CREATE TABLE score_states (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    session_id BIGINT NOT NULL,
    points BIGINT NOT NULL,
    tier TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, lead_id, model, session_id)
);

-- Every point ever given; the sum of a model's rows is its score, always (S2).
CREATE TABLE score_ledger (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    session_id BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    model_version BIGINT NOT NULL,
    points BIGINT NOT NULL,
    at BIGINT NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, lead_id, model, session_id, event_id, rule)
);

CREATE TABLE runs (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    session_id BIGINT,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    step TEXT COLLATE "C",
    waits_for TEXT COLLATE "C",
    wake_at BIGINT,
    data TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    CHECK ((state = 0) = (ended_at IS NULL)),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX runs_lead ON runs (tenant_id, lead_id, id);
CREATE INDEX runs_workflow ON runs (tenant_id, workflow, state, id);
CREATE INDEX runs_wake ON runs (wake_at, id) WHERE state = 0 AND wake_at IS NOT NULL;

-- What goes on beside the leads' own events: schedules, digests, scoring anew. A job that goes through all leads says how far it came.
CREATE TABLE jobs (
    tenant_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    due_at BIGINT,
    after_id BIGINT,
    data TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE INDEX jobs_due ON jobs (due_at, tenant_id, name) WHERE due_at IS NOT NULL;

-- Orders that workflows wrote down for people (kind 0, a task) or for another part of the house (1, a call).
CREATE TABLE work (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    run_id BIGINT,
    key TEXT COLLATE "C" NOT NULL,
    kind BIGINT NOT NULL CHECK (kind IN (0, 1)),
    title TEXT COLLATE "C" NOT NULL,
    assignee TEXT COLLATE "C",
    due_at BIGINT,
    data TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    done_by TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX work_key ON work (tenant_id, key);
CREATE INDEX work_open ON work (tenant_id, id) WHERE done_at IS NULL;
CREATE INDEX work_lead ON work (tenant_id, lead_id, id);

-- The queue is this table. state: 0 waits, 1 in flight, 2 settled, 3 unknown and looked up at its deadline. What is said is template version and data; only what a person wrote is kept as text.
CREATE TABLE messages (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    staff TEXT COLLATE "C",
    run_id BIGINT,
    step TEXT COLLATE "C",
    notification_id BIGINT NOT NULL,
    event_id BIGINT,
    channel BIGINT NOT NULL,
    connection_id BIGINT,
    recipient TEXT COLLATE "C" NOT NULL,
    category BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    status BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 3),
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    template TEXT COLLATE "C",
    template_version BIGINT,
    locale TEXT COLLATE "C",
    body TEXT COLLATE "C",
    data TEXT COLLATE "C" NOT NULL,
    plan TEXT COLLATE "C",
    verdict TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    attempt_id BIGINT,
    deadline BIGINT,
    hash BYTEA,
    attempts BIGINT NOT NULL DEFAULT 0,
    sandbox BIGINT NOT NULL DEFAULT 0,
    repeated BIGINT NOT NULL DEFAULT 0,
    provider_ref TEXT COLLATE "C",
    accepted_at BIGINT,
    settled_at BIGINT,
    facts TEXT COLLATE "C",
    why TEXT COLLATE "C",
    cost_micros BIGINT,
    currency TEXT COLLATE "C",
    -- Of dead letters alone: which group they belong to.
    cause BIGINT,
    CHECK ((state = 0) = (status BETWEEN 0 AND 2)),
    CHECK ((state = 1) = (status = 3)),
    CHECK (state <> 3 OR status = 11),
    CHECK ((state IN (1, 3)) = (deadline IS NOT NULL)),
    CHECK (state <> 1 OR attempt_id IS NOT NULL),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX messages_due ON messages (channel, priority, tenant_id, due_at, id) WHERE state = 0;
CREATE INDEX messages_open ON messages (state, deadline, id) WHERE deadline IS NOT NULL;
CREATE INDEX messages_lead ON messages (tenant_id, lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX messages_waiting ON messages (tenant_id, recipient) WHERE state = 0;
CREATE INDEX messages_dead ON messages (tenant_id, cause, id) WHERE cause IS NOT NULL;
CREATE INDEX messages_unknown ON messages (tenant_id, id) WHERE status = 11;
CREATE INDEX messages_repeated ON messages (tenant_id, id) WHERE repeated <> 0;
-- All that did not arrive: 6 failed to 11 unknown, but for 9 cancelled. A list of numbers here would be built anew for every row written.
CREATE INDEX messages_trouble ON messages (tenant_id, id) WHERE status >= 6 AND status <> 9;

CREATE TABLE attempts (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    connection_id BIGINT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    provider_ref TEXT COLLATE "C",
    why TEXT COLLATE "C",
    late BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX attempts_message ON attempts (tenant_id, message_id, id);

-- Reports and inbound messages already taken, so that repeated ones change nothing (H1).
CREATE TABLE seen (
    tenant_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, day, key)
);

-- What people were shown, each text once, named by its hash.
CREATE TABLE wordings (
    tenant_id BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    text TEXT COLLATE "C" NOT NULL,
    first_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

-- Grants and revocations (C1). A row without salt was erased at the person's request; its place in the chain stays.
CREATE TABLE consents (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    kind BIGINT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    granted BIGINT NOT NULL CHECK (granted IN (0, 1)),
    basis TEXT COLLATE "C" NOT NULL,
    wording BYTEA,
    wrote TEXT COLLATE "C",
    method TEXT COLLATE "C" NOT NULL,
    page TEXT COLLATE "C",
    ip TEXT COLLATE "C",
    actor TEXT COLLATE "C",
    expires_at BIGINT,
    at BIGINT NOT NULL,
    salt BYTEA,
    erased_at BIGINT,
    conditions TEXT COLLATE "C",
    CHECK ((salt IS NULL) = (erased_at IS NOT NULL)),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX consents_lead ON consents (tenant_id, lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX consents_address ON consents (tenant_id, value, id);

-- Every consent and every administrative action of a tenant in one order: nothing changes, goes or comes in between unseen (C1, X6).
CREATE TABLE chain (
    tenant_id BIGINT NOT NULL,
    seq BIGINT NOT NULL CHECK (seq > 0),
    entry BIGINT NOT NULL CHECK (entry IN (0, 1)),
    row_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    commitment BYTEA NOT NULL CHECK (octet_length(commitment) = 32),
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE counters (
    tenant_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name, slot)
);

CREATE TABLE idempotency_keys (
    tenant_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, day, key)
);

CREATE TABLE set_aside (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    fingerprint TEXT COLLATE "C" NOT NULL,
    error TEXT COLLATE "C" NOT NULL,
    raw TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE errors (
    tenant_id BIGINT NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    context TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint)
);

CREATE TABLE spam (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    form TEXT COLLATE "C" NOT NULL,
    sign TEXT COLLATE "C" NOT NULL,
    raw TEXT COLLATE "C" NOT NULL,
    ip TEXT COLLATE "C",
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE drafts (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    form TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    lead_id BIGINT,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE audit (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    details TEXT COLLATE "C" NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- National do-not-call lists (US-9, UK-4). state: 0 is being read, 1 is asked, 2 was replaced and is removed piece by piece.
CREATE TABLE do_not_call_lists (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    country TEXT COLLATE "C" NOT NULL,
    as_of TEXT COLLATE "C" NOT NULL,
    numbers BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX do_not_call_lists_asked ON do_not_call_lists (tenant_id, country) WHERE state = 1;

-- Their numbers: the digits of E.164. Millions of rows, each found by one seek.
CREATE TABLE do_not_call_numbers (
    tenant_id BIGINT NOT NULL,
    list_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, list_id, number)
);

-- Since a restore nothing goes to a tenant's customers until a person lets it go. state: 0 holds, 1 was released and lets go piece by piece, 2 is over.
CREATE TABLE recovery_holds (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id),
    backup TEXT COLLATE "C" NOT NULL,
    snapshot_at BIGINT NOT NULL,
    restored_at BIGINT NOT NULL,
    floor BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    changed_at BIGINT NOT NULL,
    changed_by TEXT COLLATE "C" NOT NULL,
    report TEXT COLLATE "C" NOT NULL
);

CREATE INDEX drafts_lead ON drafts (tenant_id, lead_id) WHERE lead_id IS NOT NULL;
-- The oldest drafts of all tenants, which upkeep removes.
CREATE INDEX drafts_old ON drafts (id);

-- The queue lives at the head of its indexes, and what was settled leaves dead entries there: these two are tidied early and often.
ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0, fillfactor = 85);
ALTER TABLE runs SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0, fillfactor = 85);
-- Rows that change soon after they were written, in columns that no index has, keep room for it on their own page: no index entry dies then.
ALTER TABLE leads SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE contact_points SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE sessions SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE score_states SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
-- A few rows that every turn of a business changes.
ALTER TABLE counters SET (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Nodes that work on this database. Instants are the database's own. A number is free again when its lease is over and its work was taken over.
CREATE TABLE nodes (
    node BIGINT PRIMARY KEY CHECK (node BETWEEN 1 AND 31),
    epoch BIGINT NOT NULL,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('all', 'api', 'worker')),
    lease_until BIGINT NOT NULL,
    -- No id of this node is from a later millisecond.
    ids_until BIGINT NOT NULL,
    -- 0 works, 1 is being taken over by others, 2 is free for the next node that joins.
    state BIGINT NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    -- The newest schema that its program knows: one that takes away what the program still uses has to wait.
    knows BIGINT NOT NULL DEFAULT 1
);

-- The last turn of each node: what tells whether a commit whose answer was lost was one, and what a node must hold to commit at all.
CREATE TABLE node_turns (
    node BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    over BIGINT NOT NULL DEFAULT 0 CHECK (over IN (0, 1)),
    PRIMARY KEY (node, epoch)
);
ALTER TABLE node_turns SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A turn begins with this. The row stays locked until it ends, so that nobody takes over in its middle; a node that was taken for dead is refused.
CREATE FUNCTION ringback_hold(of_node BIGINT, of_epoch BIGINT, this_turn BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    UPDATE node_turns AS t SET turn = this_turn
    WHERE t.node = of_node AND t.epoch = of_epoch AND t.over = 0
        AND EXISTS (
            SELECT 1 FROM nodes AS n
            WHERE n.node = of_node AND n.epoch = of_epoch AND n.state = 0
                AND n.lease_until > (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node % of epoch % was taken over', of_node, of_epoch USING ERRCODE = 'RB001';
    END IF;
END
$$;

-- Counts up with every change of what nodes keep in mind: tenants, documents, staff, connections, keys.
CREATE TABLE house_version (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO house_version (one, version) VALUES (1, 1);

-- Whether this house moves to another database, or came from one. state: 0 is arriving, 1 has arrived, 2 is leaving, 3 has left.
CREATE TABLE moves (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 3),
    other TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);

-- How far each table of a move has come: the key of the last row that is here.
CREATE TABLE moved_tables (
    name TEXT COLLATE "C" PRIMARY KEY,
    after TEXT COLLATE "C",
    n BIGINT NOT NULL,
    done BIGINT NOT NULL CHECK (done IN (0, 1))
);

-- The second wall (X4): whatever a statement asks for, it sees the rows of the tenants that its transaction named, and none where it named none.
-- Statements of the operator, which look across tenants, say so for themselves alone.
DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::REGNAMESPACE AND c.relkind = 'r'
            AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id'))
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one.relname);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', one.relname);
        EXECUTE format(
            'CREATE POLICY wall ON %I USING (
                %I = ANY ((SELECT string_to_array(current_setting(''ringback.tenants'', true), '','')::BIGINT[])::BIGINT[])
                OR (SELECT current_setting(''ringback.operator'', true)) = ''on'')',
            one.relname, one.attname);
    END LOOP;
END
$$;
