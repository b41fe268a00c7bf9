-- set_back [operator]: the clock was set back by $2 to $1; what was planned by the wrong time keeps its distance. Such a message was made or asked
-- at the gates in what is now the future, or waits for longer than any repetition does ($3).
UPDATE messages SET due_at = max($1, due_at - $2)
WHERE state = 0 AND due_at > $1
    AND (created_at > $1 OR verdict ->> 'at' > $1 OR (status = 1 AND due_at > $3));

-- set_back_looks [operator]: the same for look-ups of unknown messages. A provider's log is read from earlier on: the call was before that.
UPDATE messages SET
    deadline = CASE WHEN deadline > $1 AND (deadline > $3 OR plan -> 'doubt' ->> 'since' > $1) THEN max($1, deadline - $2) ELSE deadline END,
    plan = json_patch(plan, json_object('doubt', json_object(
        'called_at', (plan -> 'doubt' ->> 'called_at') - $2,
        'since', min(plan -> 'doubt' ->> 'since', $1),
        'absent_at', min(plan -> 'doubt' ->> 'absent_at', $1))))
WHERE state = 3 AND deadline IS NOT NULL;

-- set_back_keys [operator]: the same for the unknown messages that wait for a further call: their provider's key lapses by its clock, not ours.
UPDATE messages SET plan = json_set(plan, '$.doubt.called_at', (plan -> 'doubt' ->> 'called_at') - $1)
WHERE state = 0 AND plan -> 'doubt' ->> 'called_at' IS NOT NULL;

-- held_by: what the tenant's limits and budgets hold: how many messages, and when the first and the last of them are asked again.
SELECT why ->> 'code' AS code, channel, count(*), min(due_at), max(due_at), min(id)
FROM (SELECT why, channel, due_at, id FROM messages WHERE state = 0 AND status = 2 AND tenant_id = $1 LIMIT $2) AS held
GROUP BY 1, 2;

-- insert_attempt [hot]: a call that ended.
INSERT INTO attempts (id, tenant_id, message_id, number, connection_id, started_at, finished_at, outcome, provider_ref, why, late)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET finished_at = excluded.finished_at, outcome = excluded.outcome, provider_ref = excluded.provider_ref, why = excluded.why, late = 1;
