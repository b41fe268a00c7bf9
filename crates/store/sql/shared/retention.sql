-- leads_from: a piece of a tenant's leads that are old enough to be looked at, in the order of their ids.
SELECT id, last_event_at, anonymous, CASE WHEN tier IS NULL THEN 0 ELSE 1 END FROM leads
WHERE tenant_id = $1 AND id > $2 AND id < $3 AND merged_into IS NULL AND deleted_at IS NULL ORDER BY id LIMIT $4;

-- events_of: the first events of a lead.
SELECT id FROM events WHERE tenant_id = $1 AND lead_id = $2 ORDER BY id LIMIT $3;

-- messages_of: how many messages a lead has; it is not counted further than is asked for.
SELECT count(*) FROM (SELECT 1 AS one FROM messages WHERE lead_id = $2 AND tenant_id = $1 LIMIT $3) AS few;

-- messages_from: a piece of a tenant's messages that are old enough to be looked at, in the order of their ids. state 2 is settled; a cause is a
-- dead letter's.
SELECT m.id, m.category, m.created_at, CASE WHEN m.state = 2 AND m.cause IS NULL THEN 1 ELSE 0 END, CASE WHEN l.deleted_at IS NULL THEN 0 ELSE 1 END
FROM messages AS m LEFT JOIN leads AS l ON l.tenant_id = m.tenant_id AND l.id = m.lead_id
WHERE m.tenant_id = $1 AND m.id > $2 AND m.id < $3 ORDER BY m.id LIMIT $4;

-- forget_event: an event whose time is over.
DELETE FROM events WHERE tenant_id = $1 AND id = $2;

-- forget_event_keys: the names of a lead's events up to one.
DELETE FROM event_keys WHERE tenant_id = $1 AND lead_id = $2 AND event_id <= $3;

-- forget_message: a finished message whose time is over. One that goes on after all stays.
DELETE FROM messages WHERE tenant_id = $1 AND id = $2 AND state = 2;

-- forget_attempts: the calls of such a message.
DELETE FROM attempts WHERE tenant_id = $1 AND message_id = $2;

-- anonymise_messages: what was said to a lead that was silent for too long, or of it; what waits goes no more. Offers ($5) since $4 are proofs.
UPDATE messages
SET recipient = CASE WHEN staff IS NULL THEN '' ELSE recipient END, data = '{}', body = NULL, verdict = '{}',
    why = CASE WHEN why IS NULL THEN NULL ELSE '{"code":"lead_deleted","detail":"The lead was silent for too long, and is forgotten."}' END,
    expires_at = CASE WHEN state IN (0, 1, 3) THEN $3 ELSE expires_at END
WHERE lead_id = $2 AND tenant_id = $1 AND (category <> $5 OR created_at < $4);

-- anonymise_attempts: what providers said of it.
UPDATE attempts SET why = NULL
WHERE tenant_id = $1 AND message_id IN (SELECT id FROM messages WHERE lead_id = $2 AND tenant_id = $1 AND (category <> $4 OR created_at < $3));
