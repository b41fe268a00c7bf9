-- columns message: id, tenant_id, lead_id, staff, run_id, step, notification_id, event_id, channel, connection_id, recipient, category, priority, status, due_at, created_at, expires_at, template, template_version, locale, body, data, plan, verdict, epoch, attempt_id, deadline, hash, attempts, sandbox, repeated, provider_ref, accepted_at, settled_at, facts, why, cost_micros, currency

-- insert [hot]: a message with the change that caused it (M2); one that is sent off at once is born claimed.
INSERT INTO messages (id, tenant_id, lead_id, staff, run_id, step, notification_id, event_id, channel, connection_id, recipient, category, priority, status, state, due_at, created_at, expires_at, template, template_version, locale, body, data, plan, verdict, epoch, attempt_id, deadline, hash, attempts, sandbox, repeated, settled_at, why, cost_micros, currency)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36);

-- by_id [hot]: one message.
SELECT {message} FROM messages WHERE tenant_id = $1 AND id = $2;

-- behind_link [operator]: one message by its id alone, for links that prove themselves and name no tenant.
SELECT {message} FROM messages WHERE id = $1;

-- due [hot]: what a tenant may send next on a channel, in the order of one priority.
SELECT {message} FROM messages WHERE state = 0 AND channel = $1 AND priority = $2 AND tenant_id = $3 AND due_at <= $4 ORDER BY due_at, id LIMIT $5;

-- next_due [hot]: when a tenant's next message of a channel and priority is due.
SELECT due_at FROM messages WHERE state = 0 AND channel = $1 AND priority = $2 AND tenant_id = $3 ORDER BY due_at LIMIT 1;

-- next_waiting [hot, operator]: the next tenant that has messages of a channel and priority waiting.
SELECT tenant_id FROM messages WHERE state = 0 AND channel = $1 AND priority = $2 AND tenant_id > $3 ORDER BY tenant_id LIMIT 1;

-- accept [hot]: the provider took it. Only an attempt of this epoch still in flight counts; a later answer is evidence.
UPDATE messages
SET status = $3, state = 2, provider_ref = $4, accepted_at = $5, settled_at = $6, deadline = NULL, why = NULL, cost_micros = $7, currency = $8
WHERE tenant_id = $9 AND id = $1 AND epoch = $2 AND state = 1;

-- late_reference: the provider's own answer came late. The name it gave is kept; when nothing better was known of this attempt and no other was begun, it counts.
UPDATE messages
SET provider_ref = coalesce(provider_ref, $2), accepted_at = coalesce(accepted_at, $3),
    settled_at = CASE WHEN epoch = $4 AND status IN (0, 1, 2, 11) THEN $3 ELSE settled_at END,
    why = CASE WHEN epoch = $4 AND status IN (0, 1, 2, 11) THEN NULL ELSE why END,
    deadline = CASE WHEN state = 3 AND epoch = $4 THEN NULL ELSE deadline END,
    cause = CASE WHEN epoch = $4 AND status IN (0, 1, 2, 11) THEN NULL ELSE cause END,
    state = CASE WHEN epoch = $4 AND status IN (0, 1, 2, 11) THEN 2 ELSE state END,
    status = CASE WHEN epoch = $4 AND status IN (0, 1, 2, 11) THEN 4 ELSE status END
WHERE tenant_id = $5 AND id = $1;

-- change [hot]: a message that was read in this turn moves on.
UPDATE messages
SET connection_id = $3, status = $4, state = $5, due_at = $6, data = $7, plan = $8, verdict = $9, epoch = $10, attempt_id = $11, deadline = $12, hash = $13,
    attempts = $14, sandbox = $15, repeated = $16, provider_ref = $17, accepted_at = $18, settled_at = $19, facts = $20, why = $21, cost_micros = $22, currency = $23,
    expires_at = $24, cause = $25
WHERE tenant_id = $2 AND id = $1;

-- attempts_of [hot]: the calls of a message.
SELECT id, number, connection_id, started_at, finished_at, outcome, provider_ref, why, late FROM attempts WHERE message_id = $2 AND tenant_id = $1 ORDER BY id;

-- waiting_for [hot]: messages that wait for a recipient.
SELECT {message} FROM messages WHERE state = 0 AND tenant_id = $1 AND recipient = $2 ORDER BY id;

-- overdue [hot, operator]: attempts whose deadline passed without an answer.
SELECT {message} FROM messages WHERE state = 1 AND deadline <= $1 ORDER BY deadline, id LIMIT $2;

-- set_by [operator]: the clock was set by $1; what is not done with stops to matter as long from now as before. Set back again, it is as it was.
UPDATE messages SET expires_at = expires_at + $1 WHERE state IN (0, 1, 3) AND expires_at IS NOT NULL;

-- in_flight [hot, operator]: attempts that were under way when the process ended.
SELECT {message} FROM messages WHERE state = 1 AND deadline IS NOT NULL ORDER BY deadline, id LIMIT $1;

-- in_flight_of [operator]: attempts under way that a node made: it is in their ids.
SELECT {message} FROM messages WHERE state = 1 AND deadline IS NOT NULL AND (attempt_id >> 16) & 63 = $1 ORDER BY deadline, id LIMIT $2;

-- looks [hot, operator]: unknown messages whose next look-up is due.
SELECT {message} FROM messages WHERE state = 3 AND deadline <= $1 ORDER BY deadline, id LIMIT $2;

-- next_look [hot, operator]: when the next unknown message is looked up after an instant.
SELECT deadline FROM messages WHERE state = 3 AND deadline > $1 ORDER BY deadline LIMIT 1;

-- repeated [hot]: messages that may have gone out more than once, newest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND id < $2 AND repeated <> 0 ORDER BY id DESC LIMIT $3;

-- repeated_count [hot]: how many messages may have gone out more than once (P4).
SELECT count(*) FROM messages WHERE tenant_id = $1 AND repeated <> 0;

-- causes [hot]: dead letters by cause: how many, the first and the last.
SELECT cause, count(*), min(id), max(id) FROM messages WHERE tenant_id = $1 AND cause IS NOT NULL GROUP BY cause LIMIT $2;

-- dead_count [hot]: how many dead letters there are.
SELECT count(*) FROM messages WHERE tenant_id = $1 AND cause IS NOT NULL;

-- of_cause [hot]: dead letters of a cause, newest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND cause = $2 AND id < $3 ORDER BY id DESC LIMIT $4;

-- of_cause_first [hot]: dead letters of a cause, oldest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND cause = $2 AND id > $3 ORDER BY id LIMIT $4;

-- unknown [hot]: messages of which nobody knows whether they went out, newest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND id < $2 AND status = 11 ORDER BY id DESC LIMIT $3;

-- unknown_counts [hot]: how many there are, and how many of them are still looked up.
SELECT count(*), coalesce(sum(CASE WHEN state = 3 THEN 1 ELSE 0 END), 0) FROM messages WHERE tenant_id = $1 AND status = 11;

-- of_lead [hot]: the messages about a lead, newest first.
SELECT {message} FROM messages WHERE lead_id = $2 AND tenant_id = $1 AND id < $3 ORDER BY id DESC LIMIT $4;

-- newest [hot]: the messages of a tenant, newest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- to_address: the messages to a number or address, newest first. Reads all of the tenant's: asked for by reports alone.
SELECT {message} FROM messages WHERE tenant_id = $1 AND recipient = $2 ORDER BY id DESC LIMIT $3;

-- of_notification [hot]: one send step for one recipient; its messages got their ids right after it.
SELECT {message} FROM messages WHERE id > $2 AND id < $3 AND tenant_id = $1 AND notification_id = $2;

-- counts [hot, operator]: how many wait, per channel.
SELECT channel, count(*), min(due_at) FROM messages WHERE state = 0 GROUP BY channel;

-- trouble [hot]: messages that did not arrive, newest first.
SELECT {message} FROM messages WHERE tenant_id = $1 AND id < $2 AND status >= 6 AND status <> 9 ORDER BY id DESC LIMIT $3;

-- seen [hot]: whether a report was taken in the last week; or tomorrow, when the clock was set back over midnight.
SELECT 1 FROM seen WHERE tenant_id = $1 AND day IN ($2 + 1, $2, $2 - 1, $2 - 2, $2 - 3, $2 - 4, $2 - 5, $2 - 6, $2 - 7) AND key = $3;

-- insert_seen [hot]: a report is taken.
INSERT INTO seen (tenant_id, day, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- counter [hot]: how far a limit is used.
SELECT n FROM counters WHERE tenant_id = $1 AND name = $2 AND slot = $3;

-- add_to_counter [hot]: a limit is used further; what others added in the meantime stays.
INSERT INTO counters (tenant_id, name, slot, n) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, name, slot) DO UPDATE SET n = counters.n + excluded.n;

-- spent: what the tenant's messages cost since a month and a day, by counter.
SELECT name, slot, n FROM counters
WHERE tenant_id = $1 AND ((name = $2 AND slot >= $3) OR (name = $4 AND slot >= $5)) ORDER BY name, slot;

-- leads_since: how many leads came since an instant given as id.
SELECT count(*) FROM leads WHERE tenant_id = $1 AND id > $2 AND merged_into IS NULL AND deleted_at IS NULL AND anonymous = 0 AND test = 0;

-- once [hot]: what a call with this key was answered, today or the day before; or tomorrow, when the clock was set back over midnight.
SELECT hash, status, answer FROM idempotency_keys WHERE tenant_id = $1 AND day IN ($2 + 1, $2, $2 - 1) AND key = $3;

-- insert_once [hot]: a call with a key is answered.
INSERT INTO idempotency_keys (tenant_id, day, key, hash, status, answer) VALUES ($1, $2, $3, $4, $5, $6);

-- purge_once [operator]: keys of days gone by.
DELETE FROM idempotency_keys WHERE day < $1;

-- purge_seen [operator]: reports of days gone by.
DELETE FROM seen WHERE day < $1;

-- purge_counters [operator]: limits of slots gone by.
DELETE FROM counters WHERE (name LIKE '%.hour' AND slot < $1) OR (name LIKE '%.day' AND slot < $2);

-- flying [hot, operator]: how many attempts are under way.
SELECT count(*) FROM messages WHERE state = 1 AND deadline IS NOT NULL;

-- counts_of: how many messages of a tenant wait, per channel and status.
SELECT channel, status, count(*), min(due_at) FROM messages WHERE state = 0 AND tenant_id = $1 GROUP BY channel, status;

-- waiting_of: messages of a tenant that wait, the next one first.
SELECT {message} FROM messages WHERE state = 0 AND tenant_id = $1 ORDER BY due_at, id LIMIT $2;

-- attempts_of_lead: the calls of all messages about a lead, newest first.
SELECT a.id, a.number, a.connection_id, a.started_at, a.finished_at, a.outcome, a.provider_ref, a.why, a.late, a.message_id, m.channel, m.staff
FROM messages AS m JOIN attempts AS a ON a.tenant_id = m.tenant_id AND a.message_id = m.id
WHERE m.lead_id = $2 AND m.tenant_id = $1 AND a.id < $3 ORDER BY a.id DESC LIMIT $4;

-- held: what waits for a person since a restore, oldest first.
SELECT {message} FROM messages WHERE state = 0 AND status = 2 AND tenant_id = $1 AND due_at = $2 AND id > $3 ORDER BY id LIMIT $4;
