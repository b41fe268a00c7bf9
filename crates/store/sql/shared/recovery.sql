-- columns hold: tenant_id, backup, snapshot_at, restored_at, floor, state, changed_at, changed_by, report

-- hold: what a tenant is held by since a restore.
SELECT {hold} FROM recovery_holds WHERE tenant_id = $1;

-- put_hold: a restored tenant is held.
INSERT INTO recovery_holds (tenant_id, backup, snapshot_at, restored_at, floor, state, changed_at, changed_by, report) VALUES ($1, $2, $3, $4, $5, 0, $4, $6, $7)
ON CONFLICT (tenant_id) DO UPDATE SET backup = excluded.backup, snapshot_at = excluded.snapshot_at, restored_at = excluded.restored_at, floor = excluded.floor,
    state = 0, changed_at = excluded.changed_at, changed_by = excluded.changed_by, report = excluded.report;

-- move_hold: a person releases it, or the last message was let go.
UPDATE recovery_holds SET state = $3, changed_at = $4, changed_by = $5 WHERE tenant_id = $1 AND state = $2;

-- held_counts: what waits for a person, by what it is for and how it travels.
SELECT category, channel, count(*), sum(CASE WHEN plan LIKE '%"doubt":%' THEN 1 ELSE 0 END), min(created_at), max(created_at)
FROM messages WHERE state = 0 AND status = 2 AND tenant_id = $1 AND due_at = $2 GROUP BY category, channel ORDER BY category, channel;

-- unsettled_since: what was due or under way at an instant, a piece at a time: it may have gone out since the backup.
SELECT id FROM messages WHERE tenant_id = $1 AND id > $3 AND ((state = 0 AND due_at <= $2) OR state = 1) ORDER BY id LIMIT $4;

-- due_runs: runs whose time had come at an instant, a piece at a time.
SELECT id, lead_id FROM runs WHERE tenant_id = $1 AND id > $3 AND state = 0 AND wake_at IS NOT NULL AND wake_at <= $2 ORDER BY id LIMIT $4;

-- points_after: the contact points of a tenant that belong to a lead, a piece at a time.
SELECT kind, value, lead_id FROM contact_points WHERE tenant_id = $1 AND (kind, value) > ($2, $3) AND lead_id IS NOT NULL ORDER BY kind, value LIMIT $4;

-- consents_after: the consents of a tenant that were not erased, a piece at a time.
SELECT id, kind, value FROM consents WHERE tenant_id = $1 AND id > $2 AND salt IS NOT NULL ORDER BY id LIMIT $3;

-- skip_numbers: references that were given after the backup are given to nobody else: a deleted lead stands for the gap in the count.
INSERT INTO leads (id, tenant_id, number, anonymous, created_at, updated_at, last_event_at, deleted_at) VALUES ($1, $2, $3, 1, $4, $4, $4, $4);

-- erase_messages: what was said to a deleted lead or of it; what waits or is under way goes no more.
UPDATE messages
SET recipient = CASE WHEN staff IS NULL THEN '' ELSE recipient END, data = '{}', body = NULL, verdict = '{}',
    why = CASE WHEN why IS NULL THEN NULL ELSE '{"code":"lead_deleted","detail":"The lead was deleted."}' END,
    expires_at = CASE WHEN state IN (0, 1, 3) THEN $3 ELSE expires_at END
WHERE lead_id = $2 AND tenant_id = $1;

-- erase_attempts: what providers said of it.
UPDATE attempts SET why = NULL WHERE tenant_id = $1 AND message_id IN (SELECT id FROM messages WHERE lead_id = $2 AND tenant_id = $1);

-- erase_merged: those that had been merged into it.
UPDATE leads
SET deleted_at = $3, first_name = NULL, last_name = NULL, phone = NULL, email = NULL, city = NULL, state = NULL, zip = NULL, attributes = '{}', tags = '[]', ringing_since = NULL
WHERE merged_into = $2 AND tenant_id = $1;

-- erase_runs: what its runs carried.
UPDATE runs SET data = 'null' WHERE lead_id = $2 AND tenant_id = $1;

-- erase_sessions: its visits.
DELETE FROM sessions WHERE lead_id = $2 AND tenant_id = $1;

-- erase_event_keys: the names of its events.
DELETE FROM event_keys WHERE lead_id = $2 AND tenant_id = $1;

-- erase_awards: why it had points.
DELETE FROM score_ledger WHERE lead_id = $2 AND tenant_id = $1;

-- erase_scores: where it stood.
DELETE FROM score_states WHERE lead_id = $2 AND tenant_id = $1;

-- erase_set_aside: what of it could not be decided.
UPDATE set_aside SET raw = '' WHERE tenant_id = $1 AND lead_id = $2;

-- erase_drafts: bookings it did not finish.
DELETE FROM drafts WHERE lead_id = $2 AND tenant_id = $1;

-- newest_id: the newest thing of a tenant: when it was given tells which instant a database holds.
SELECT coalesce(max(newest.id), 0) FROM (
    SELECT max(id) AS id FROM events WHERE tenant_id = $1
    UNION ALL SELECT max(id) FROM messages WHERE tenant_id = $1
    UNION ALL SELECT max(id) FROM attempts WHERE tenant_id = $1
) AS newest;
