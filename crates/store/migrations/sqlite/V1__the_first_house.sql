-- Times are microseconds UTC, ids 63-bit integers in time order, documents JSON as text. Every index is named by a query that needs it.

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    requests_per_minute BIGINT,
    messages_per_hour BIGINT,
    sandbox BIGINT NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1)),
    kill TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    -- Counts up over all tenants: what servers keep in mind of this one changed last when it was so high.
    changed BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX tenants_changed ON tenants (changed);

CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    kind TEXT NOT NULL CHECK (kind IN ('secret', 'test', 'write')),
    name TEXT NOT NULL,
    shown TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    scopes TEXT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'agent', 'viewer')),
    password TEXT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    UNIQUE (tenant_id, email)
);

CREATE TABLE sign_in_links (
    hash BLOB PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    expires_at BIGINT NOT NULL,
    used_at BIGINT
) WITHOUT ROWID;

CREATE TABLE browser_sessions (
    hash BLOB PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

-- A tenant's configuration: the files of its folder, every version kept.
CREATE TABLE documents (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    path TEXT NOT NULL,
    version BIGINT NOT NULL,
    text TEXT,
    created_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (tenant_id, path, version)
) WITHOUT ROWID;

-- What a tenant's configuration is to become: files that were written and do not hold yet. Without text a file is to go. base is the version
-- that was edited, 0 for a new file.
CREATE TABLE document_drafts (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    path TEXT NOT NULL,
    text TEXT,
    base BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (tenant_id, path)
) WITHOUT ROWID;

CREATE TABLE staff (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    phone TEXT,
    email TEXT,
    roles TEXT NOT NULL DEFAULT '[]',
    lists TEXT NOT NULL DEFAULT '[]',
    on_call BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    channel BIGINT NOT NULL,
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    settings BLOB NOT NULL,
    path_secret TEXT NOT NULL,
    position BIGINT NOT NULL DEFAULT 0,
    enabled BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    trouble TEXT,
    breaker TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE leads (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    phone TEXT,
    email TEXT,
    source TEXT,
    city TEXT,
    state TEXT,
    zip TEXT,
    country TEXT,
    time_zone TEXT,
    attributes TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    products TEXT NOT NULL DEFAULT '[]',
    product TEXT,
    stage TEXT,
    points BIGINT NOT NULL DEFAULT 0,
    tier TEXT,
    anonymous BIGINT NOT NULL,
    test BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_event_at BIGINT NOT NULL,
    ringing_since BIGINT,
    answered_at BIGINT,
    answered_by TEXT,
    merged_into BIGINT,
    -- Who of ours has it in hand, since when, who was alerted, and the segments it is in.
    owner TEXT,
    kept TEXT NOT NULL DEFAULT '{}',
    deleted_at BIGINT
);
CREATE UNIQUE INDEX leads_number ON leads (tenant_id, number);
CREATE INDEX leads_tenant ON leads (tenant_id, id) WHERE merged_into IS NULL AND deleted_at IS NULL;
-- Who was merged into a lead goes with it when it is deleted.
CREATE INDEX leads_merged ON leads (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX leads_ringing ON leads (tenant_id, ringing_since) WHERE ringing_since IS NOT NULL AND answered_at IS NULL AND merged_into IS NULL AND deleted_at IS NULL;

-- One phone number, email address, browser or outside identity; one seek tells whose it is, whether it may be used and what it had lately.
CREATE TABLE contact_points (
    tenant_id BIGINT NOT NULL,
    kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 3),
    value TEXT NOT NULL,
    lead_id BIGINT,
    added_at BIGINT NOT NULL,
    suppressed BIGINT NOT NULL DEFAULT 0,
    suppressed_at BIGINT,
    suppressed_how TEXT,
    consent BIGINT NOT NULL DEFAULT 0,
    terms BLOB,
    recent BLOB,
    PRIMARY KEY (tenant_id, kind, value)
) WITHOUT ROWID;
CREATE INDEX contact_points_lead ON contact_points (lead_id) WHERE lead_id IS NOT NULL;
CREATE INDEX contact_points_suppressed ON contact_points (tenant_id, suppressed_at) WHERE suppressed <> 0;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    actor TEXT,
    session_id BIGINT,
    properties TEXT NOT NULL
);
CREATE INDEX events_lead ON events (lead_id, id);

-- Names that callers gave to events, so that a repeated one changes nothing (S1).
CREATE TABLE event_keys (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    event_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, lead_id, key)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX sessions_lead ON sessions (lead_id, id);

CREATE TABLE score_states (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    model TEXT NOT NULL,
    session_id BIGINT NOT NULL,
    points BIGINT NOT NULL,
    tier TEXT,
    state TEXT NOT NULL,
    PRIMARY KEY (lead_id, model, session_id)
) WITHOUT ROWID;

-- Every point ever given; the sum of a model's rows is its score, always (S2).
CREATE TABLE score_ledger (
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    model TEXT NOT NULL,
    session_id BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    rule TEXT NOT NULL,
    model_version BIGINT NOT NULL,
    points BIGINT NOT NULL,
    at BIGINT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (lead_id, model, session_id, event_id, rule)
) WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    workflow TEXT NOT NULL,
    version BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    session_id BIGINT,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    step TEXT,
    waits_for TEXT,
    wake_at BIGINT,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    CHECK ((state = 0) = (ended_at IS NULL))
);
CREATE INDEX runs_lead ON runs (lead_id, id);
CREATE INDEX runs_workflow ON runs (tenant_id, workflow, state, id);
CREATE INDEX runs_wake ON runs (wake_at) WHERE state = 0 AND wake_at IS NOT NULL;

-- What goes on beside the leads' own events: schedules, digests, scoring anew. A job that goes through all leads says how far it came.
CREATE TABLE jobs (
    tenant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    what TEXT NOT NULL,
    due_at BIGINT,
    after_id BIGINT,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (due_at, tenant_id, name) WHERE due_at IS NOT NULL;

-- Orders that workflows wrote down for people (kind 0, a task) or for another part of the house (1, a call).
CREATE TABLE work (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    run_id BIGINT,
    key TEXT NOT NULL,
    kind BIGINT NOT NULL CHECK (kind IN (0, 1)),
    title TEXT NOT NULL,
    assignee TEXT,
    due_at BIGINT,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    done_by TEXT
);
CREATE UNIQUE INDEX work_key ON work (tenant_id, key);
CREATE INDEX work_open ON work (tenant_id, id) WHERE done_at IS NULL;
CREATE INDEX work_lead ON work (tenant_id, lead_id, id);

-- The queue is this table. state: 0 waits, 1 in flight, 2 settled, 3 unknown and looked up at its deadline. What is said is template version and data; only what a person wrote is kept as text.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    staff TEXT,
    run_id BIGINT,
    step TEXT,
    notification_id BIGINT NOT NULL,
    event_id BIGINT,
    channel BIGINT NOT NULL,
    connection_id BIGINT,
    recipient TEXT NOT NULL,
    category BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    status BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 3),
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    template TEXT,
    template_version BIGINT,
    locale TEXT,
    body TEXT,
    data TEXT NOT NULL,
    plan TEXT,
    verdict TEXT NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    attempt_id BIGINT,
    deadline BIGINT,
    hash BLOB,
    attempts BIGINT NOT NULL DEFAULT 0,
    sandbox BIGINT NOT NULL DEFAULT 0,
    repeated BIGINT NOT NULL DEFAULT 0,
    provider_ref TEXT,
    accepted_at BIGINT,
    settled_at BIGINT,
    facts TEXT,
    why TEXT,
    cost_micros BIGINT,
    currency TEXT,
    -- Of dead letters alone: which group they belong to.
    cause BIGINT,
    CHECK ((state = 0) = (status BETWEEN 0 AND 2)),
    CHECK ((state = 1) = (status = 3)),
    CHECK (state <> 3 OR status = 11),
    CHECK ((state IN (1, 3)) = (deadline IS NOT NULL)),
    CHECK (state <> 1 OR attempt_id IS NOT NULL)
);
CREATE INDEX messages_due ON messages (channel, priority, tenant_id, due_at) WHERE state = 0;
CREATE INDEX messages_open ON messages (state, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX messages_lead ON messages (lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX messages_tenant ON messages (tenant_id, id);
CREATE INDEX messages_waiting ON messages (tenant_id, recipient) WHERE state = 0;
CREATE INDEX messages_dead ON messages (tenant_id, cause, id) WHERE cause IS NOT NULL;
CREATE INDEX messages_unknown ON messages (tenant_id, id) WHERE status = 11;
CREATE INDEX messages_repeated ON messages (tenant_id, id) WHERE repeated <> 0;
-- All that did not arrive: 6 failed to 11 unknown, but for 9 cancelled. A list of numbers here would be built anew for every row written.
CREATE INDEX messages_trouble ON messages (tenant_id, id) WHERE status >= 6 AND status <> 9;

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    connection_id BIGINT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    provider_ref TEXT,
    why TEXT,
    late BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX attempts_message ON attempts (message_id, id);

-- Reports and inbound messages already taken, so that repeated ones change nothing (H1).
CREATE TABLE seen (
    tenant_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (tenant_id, day, key)
) WITHOUT ROWID;

-- What people were shown, each text once, named by its hash.
CREATE TABLE wordings (
    tenant_id BIGINT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    text TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
) WITHOUT ROWID;

-- Grants and revocations (C1). A row without salt was erased at the person's request; its place in the chain stays.
CREATE TABLE consents (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    kind BIGINT NOT NULL,
    value TEXT NOT NULL,
    channel TEXT NOT NULL,
    purpose TEXT NOT NULL,
    granted BIGINT NOT NULL CHECK (granted IN (0, 1)),
    basis TEXT NOT NULL,
    wording BLOB,
    wrote TEXT,
    method TEXT NOT NULL,
    page TEXT,
    ip TEXT,
    actor TEXT,
    expires_at BIGINT,
    at BIGINT NOT NULL,
    salt BLOB,
    erased_at BIGINT,
    conditions TEXT,
    CHECK ((salt IS NULL) = (erased_at IS NOT NULL))
);
CREATE INDEX consents_lead ON consents (lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX consents_address ON consents (tenant_id, value, id);

-- Every consent and every administrative action of a tenant in one order: nothing changes, goes or comes in between unseen (C1, X6).
CREATE TABLE chain (
    tenant_id BIGINT NOT NULL,
    seq BIGINT NOT NULL CHECK (seq > 0),
    entry BIGINT NOT NULL CHECK (entry IN (0, 1)),
    row_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, seq)
) WITHOUT ROWID;

CREATE TABLE counters (
    tenant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    slot BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name, slot)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    tenant_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    key TEXT NOT NULL,
    hash BLOB NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (tenant_id, day, key)
) WITHOUT ROWID;

CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    lead_id BIGINT,
    fingerprint TEXT NOT NULL,
    error TEXT NOT NULL,
    raw TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX set_aside_tenant ON set_aside (tenant_id, id);

CREATE TABLE errors (
    tenant_id BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL,
    context TEXT NOT NULL,
    n BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint)
) WITHOUT ROWID;

CREATE TABLE spam (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    form TEXT NOT NULL,
    sign TEXT NOT NULL,
    raw TEXT NOT NULL,
    ip TEXT,
    at BIGINT NOT NULL
);
CREATE INDEX spam_tenant ON spam (tenant_id, id);

CREATE TABLE drafts (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    form TEXT NOT NULL,
    hash BLOB NOT NULL,
    data TEXT NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    lead_id BIGINT
);
CREATE INDEX drafts_lead ON drafts (lead_id) WHERE lead_id IS NOT NULL;

CREATE TABLE audit (
    id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    details TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- National do-not-call lists (US-9, UK-4). state: 0 is being read, 1 is asked, 2 was replaced and is removed piece by piece.
CREATE TABLE do_not_call_lists (
    id INTEGER PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    country TEXT NOT NULL,
    as_of TEXT NOT NULL,
    numbers BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX do_not_call_lists_asked ON do_not_call_lists (tenant_id, country) WHERE state = 1;

-- Their numbers: the digits of E.164. Millions of rows, each found by one seek.
CREATE TABLE do_not_call_numbers (
    tenant_id BIGINT NOT NULL,
    list_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, list_id, number)
) WITHOUT ROWID;

-- Since a restore nothing goes to a tenant's customers until a person lets it go. state: 0 holds, 1 was released and lets go piece by piece, 2 is over.
CREATE TABLE recovery_holds (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id),
    backup TEXT NOT NULL,
    snapshot_at BIGINT NOT NULL,
    restored_at BIGINT NOT NULL,
    floor BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    report TEXT NOT NULL
);

-- Whether this house moves to another database, or came from one. state: 0 is arriving, 1 has arrived, 2 is leaving, 3 has left.
CREATE TABLE moves (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 3),
    other TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- How far each table of a move has come: the key of the last row that is here.
CREATE TABLE moved_tables (
    name TEXT PRIMARY KEY,
    after TEXT,
    n BIGINT NOT NULL,
    done BIGINT NOT NULL CHECK (done IN (0, 1))
) WITHOUT ROWID;
