-- set_back [operator]: the clock was set back by $2 to $1; what was planned by the wrong time keeps its distance. Such a message was made or asked
-- at the gates in what is now the future, or waits for longer than any repetition does ($3).
UPDATE messages SET due_at = greatest($1, due_at - $2)
WHERE state = 0 AND due_at > $1
    AND (created_at > $1 OR (verdict::JSONB ->> 'at')::BIGINT > $1 OR (status = 1 AND due_at > $3));

-- set_back_looks [operator]: the same for look-ups of unknown messages. A provider's log is read from earlier on: the call was before that.
UPDATE messages AS m SET
    deadline = CASE WHEN m.deadline > $1 AND (m.deadline > $3 OR said.since > $1) THEN greatest($1, m.deadline - $2) ELSE m.deadline END,
    plan = (m.plan::JSONB || jsonb_build_object('doubt', (m.plan::JSONB -> 'doubt') || jsonb_strip_nulls(jsonb_build_object(
        'called_at', said.called_at - $2,
        'since', CASE WHEN said.since IS NOT NULL THEN least(said.since, $1) END,
        'absent_at', CASE WHEN said.absent_at IS NOT NULL THEN least(said.absent_at, $1) END))))::TEXT
FROM (
    SELECT tenant_id, id, (doubt ->> 'called_at')::BIGINT AS called_at, (doubt ->> 'since')::BIGINT AS since, (doubt ->> 'absent_at')::BIGINT AS absent_at
    FROM (SELECT tenant_id, id, plan::JSONB -> 'doubt' AS doubt FROM messages WHERE state = 3 AND deadline IS NOT NULL) AS open
) AS said
WHERE m.tenant_id = said.tenant_id AND m.id = said.id AND m.state = 3 AND m.deadline IS NOT NULL;

-- set_back_keys [operator]: the same for the unknown messages that wait for a further call: their provider's key lapses by its clock, not ours.
UPDATE messages SET plan = jsonb_set(plan::JSONB, '{doubt,called_at}', to_jsonb((plan::JSONB -> 'doubt' ->> 'called_at')::BIGINT - $1))::TEXT
WHERE state = 0 AND plan::JSONB -> 'doubt' ->> 'called_at' IS NOT NULL;

-- held_by: what the tenant's limits and budgets hold: how many messages, and when the first and the last of them are asked again.
SELECT why::JSONB ->> 'code' AS code, channel, count(*), min(due_at), max(due_at), min(id)
FROM (SELECT why, channel, due_at, id FROM messages WHERE state = 0 AND status = 2 AND tenant_id = $1 LIMIT $2) AS held
GROUP BY 1, 2;

-- due [hot]: what a tenant may send next on a channel, in the order of one priority. Rows that another node holds are left to it.
SELECT {message} FROM messages WHERE state = 0 AND channel = $1 AND priority = $2 AND tenant_id = $3 AND due_at <= $4
ORDER BY due_at, id LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED;

-- insert_attempt [hot]: a call that ended.
INSERT INTO attempts (id, tenant_id, message_id, number, connection_id, started_at, finished_at, outcome, provider_ref, why, late)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, id) DO UPDATE SET finished_at = excluded.finished_at, outcome = excluded.outcome, provider_ref = excluded.provider_ref, why = excluded.why, late = 1;
