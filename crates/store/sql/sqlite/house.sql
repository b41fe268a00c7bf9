-- last_ids [operator]: the highest ids given so far, those of calls under way among them, so that new ones rise above them.
SELECT max(coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT max(id) FROM leads), 0), coalesce((SELECT max(id) FROM attempts), 0), coalesce((SELECT max(id) FROM runs), 0), coalesce((SELECT max(id) FROM tenants), 0), coalesce((SELECT max(id) FROM keys), 0), coalesce((SELECT max(id) FROM consents), 0), coalesce((SELECT max(id) FROM sessions), 0), coalesce((SELECT max(id) FROM set_aside), 0), coalesce((SELECT max(id) FROM work), 0), coalesce((SELECT max(attempt_id) FROM messages WHERE state = 1 AND deadline IS NOT NULL), 0));

-- version [operator]: of what is kept in mind. One process alone changes this database, and knows what it changed.
SELECT 1 WHERE $1 = 1;

-- changed [operator]: what is kept in mind changed.
SELECT 1 WHERE 1 = 0;

-- touch: what is kept in mind of a tenant changed.
UPDATE tenants SET changed = (SELECT coalesce(max(changed), 0) + 1 FROM tenants) WHERE id = $1;

-- arrived_ids [operator]: ids of an embedded house rise above all that it has.
SELECT 1 WHERE $1 = 0 AND 1 = 0;
