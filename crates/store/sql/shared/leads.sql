-- columns lead: id, tenant_id, number, first_name, last_name, phone, email, source, city, state, zip, country, time_zone, attributes, tags, products, points, tier, anonymous, test, created_at, updated_at, last_event_at, ringing_since, answered_at, answered_by, merged_into, owner, kept

-- by_id [hot]: one lead with all that deciding needs.
SELECT {lead} FROM leads WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL;

-- insert [hot]: a lead comes into being.
INSERT INTO leads (id, tenant_id, number, first_name, last_name, phone, email, source, city, state, zip, country, time_zone, attributes, tags, products, product, stage, points, tier, anonymous, test, created_at, updated_at, last_event_at, ringing_since, answered_at, answered_by, merged_into, owner, kept)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31);

-- update [hot]: what is known about a lead changed.
UPDATE leads
SET first_name = $4, last_name = $5, phone = $6, email = $7, source = $8, city = $9, state = $10, zip = $11, country = $12, time_zone = $13,
    attributes = $14, tags = $15, products = $16, product = $17, stage = $18, points = $19, tier = $20, anonymous = $21, test = $22,
    created_at = $23, updated_at = $24, last_event_at = $25, ringing_since = $26, answered_at = $27, answered_by = $28, merged_into = $29, owner = $30, kept = $31
WHERE tenant_id = $2 AND id = $1 AND number = $3;

-- page: leads of a tenant after a lead, in the order of their ids, for jobs that look at all of them.
SELECT id FROM leads WHERE tenant_id = $1 AND id > $2 AND merged_into IS NULL AND deleted_at IS NULL ORDER BY id LIMIT $3;

-- history: what a lead did, oldest first.
SELECT id, kind, at, received_at, source, actor, session_id, properties FROM events WHERE lead_id = $2 AND tenant_id = $1 ORDER BY id LIMIT $3;

-- last_number [hot]: how far a tenant has counted its leads.
SELECT number FROM leads WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1;

-- by_number [hot]: a lead by its reference.
SELECT {lead} FROM leads WHERE tenant_id = $1 AND number = $2 AND deleted_at IS NULL;

-- delete: personal data go, the row stays as a gap in the count.
UPDATE leads
SET deleted_at = $3, first_name = NULL, last_name = NULL, phone = NULL, email = NULL, city = NULL, state = NULL, zip = NULL, attributes = '{}', tags = '[]', ringing_since = NULL
WHERE tenant_id = $1 AND id = $2;

-- ringing [hot]: who waits for a person, longest first.
SELECT {lead} FROM leads
WHERE tenant_id = $1 AND ringing_since IS NOT NULL AND answered_at IS NULL AND merged_into IS NULL AND deleted_at IS NULL
ORDER BY ringing_since LIMIT $2;

-- ringing_count [hot]: how many wait for a person.
SELECT count(*) FROM leads WHERE tenant_id = $1 AND ringing_since IS NOT NULL AND answered_at IS NULL AND merged_into IS NULL AND deleted_at IS NULL;

-- point [hot]: one seek tells whose a contact point is, whether it may be used, and what it had lately.
SELECT lead_id, added_at, suppressed, suppressed_at, suppressed_how, consent, recent, terms FROM contact_points WHERE tenant_id = $1 AND kind = $2 AND value = $3;

-- points_of [hot]: the contact points of a lead.
SELECT tenant_id, kind, value, lead_id, added_at, suppressed, suppressed_at, suppressed_how, consent, recent, terms FROM contact_points WHERE tenant_id = $1 AND lead_id = $2;

-- insert_point [hot]: a contact point is seen for the first time.
INSERT INTO contact_points (tenant_id, kind, value, lead_id, added_at, suppressed, suppressed_at, suppressed_how, consent, recent, terms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- update_point [hot]: a contact point changed hands, consent, suppression or was written to.
UPDATE contact_points SET lead_id = $4, suppressed = $5, suppressed_at = $6, suppressed_how = $7, consent = $8, recent = $9, terms = $10
WHERE tenant_id = $1 AND kind = $2 AND value = $3;

-- forget_points: contact points of a deleted lead go, unless a no must be remembered: they are suppressed, or a consent was taken back ($3 and
-- $4 are the high and the low bits of the consents).
DELETE FROM contact_points
WHERE tenant_id = $1 AND lead_id = $2 AND suppressed = 0 AND (consent & $3 & ~((consent & $4) << 1)) = 0;

-- detach_points: what must be remembered stays without its lead, and of the consents only the no, with what the person asked for ($5).
UPDATE contact_points SET lead_id = NULL, terms = NULL, consent = (consent & $3 & ~((consent & $4) << 1)) | (consent & $5)
WHERE tenant_id = $1 AND lead_id = $2;

-- suppressions: the list, newest first.
SELECT kind, value, suppressed, suppressed_at, suppressed_how FROM contact_points
WHERE tenant_id = $1 AND suppressed <> 0 AND suppressed_at < $2
ORDER BY suppressed_at DESC LIMIT $3;

-- session [hot]: the last visit of a lead.
SELECT id, number, started_at, last_at, data FROM sessions WHERE tenant_id = $1 AND lead_id = $2 ORDER BY id DESC LIMIT 1;

-- insert_session [hot]: a visit begins.
INSERT INTO sessions (id, tenant_id, lead_id, number, started_at, last_at, data) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- update_session [hot]: a visit goes on.
UPDATE sessions SET last_at = $3, data = $4 WHERE tenant_id = $2 AND id = $1;

-- insert_event [hot]: a line of history.
INSERT INTO events (id, tenant_id, lead_id, kind, at, received_at, source, actor, session_id, properties) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- event_key [hot]: whether a named event was taken before.
SELECT event_id FROM event_keys WHERE tenant_id = $1 AND lead_id = $2 AND key = $3;

-- insert_event_key [hot]: a named event is taken.
INSERT INTO event_keys (tenant_id, lead_id, key, event_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- timeline [hot]: a lead's history, newest first.
SELECT id, kind, at, source, actor, session_id, properties FROM events WHERE lead_id = $2 AND tenant_id = $1 AND id < $3 ORDER BY id DESC LIMIT $4;

-- merge_events: history of the first lead becomes the second's.
UPDATE events SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1;

-- merge_event_keys: so do the names of its events.
UPDATE event_keys AS mine SET lead_id = $3
WHERE tenant_id = $1 AND lead_id = $2
    AND NOT EXISTS (SELECT 1 FROM event_keys AS other WHERE other.tenant_id = $1 AND other.lead_id = $3 AND other.key = mine.key);

-- merge_sessions: so do its visits.
UPDATE sessions SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1;

-- merge_ledger: so do its points.
UPDATE score_ledger AS mine SET lead_id = $3
WHERE tenant_id = $1 AND lead_id = $2
    AND NOT EXISTS (
        SELECT 1 FROM score_ledger AS other
        WHERE other.tenant_id = $1 AND other.lead_id = $3 AND other.model = mine.model AND other.session_id = mine.session_id
            AND other.event_id = mine.event_id AND other.rule = mine.rule);

-- merge_states: where it stood at the end of each visit stays true.
UPDATE score_states SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1 AND session_id <> 0;

-- drop_states: its standing in models that last is written anew with the second lead's.
DELETE FROM score_states WHERE lead_id = $2 AND tenant_id = $1;

-- merge_runs: so do its runs.
UPDATE runs SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1;

-- merge_messages: so do its messages.
UPDATE messages SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1;

-- merged_leads: leads that had been merged into the first.
UPDATE leads SET merged_into = $3 WHERE tenant_id = $1 AND merged_into = $2;

-- delete_events: a deleted lead's history goes.
DELETE FROM events WHERE tenant_id = $1 AND lead_id = $2;

-- insert_spam: kept apart, never notified (L3).
INSERT INTO spam (id, tenant_id, form, sign, raw, ip, at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- spam: what was kept apart, newest first.
SELECT id, form, sign, raw, ip, at FROM spam WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- insert_draft: a booking that is not finished yet.
INSERT INTO drafts (id, tenant_id, form, hash, data, step, at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- update_draft: the next step of a booking.
UPDATE drafts SET data = $3, step = $4, at = $5, lead_id = $6 WHERE tenant_id = $1 AND id = $2;

-- purge_drafts [operator]: bookings that nobody went on with; ids rise with time, so the oldest come first without an index of their own.
DELETE FROM drafts WHERE id IN (SELECT id FROM drafts WHERE id < $1 AND at < $2 ORDER BY id LIMIT $3);

-- draft: a booking by its id.
SELECT form, hash, data, step, at, lead_id FROM drafts WHERE tenant_id = $1 AND id = $2;

-- suppressions_page: the list, newest first, after the last row of the page before.
SELECT kind, value, suppressed, suppressed_at, suppressed_how FROM contact_points
WHERE tenant_id = $1 AND suppressed <> 0 AND (suppressed_at, kind, value) < ($2, $3, $4)
ORDER BY suppressed_at DESC, kind DESC, value DESC LIMIT $5;
