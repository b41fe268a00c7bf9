-- columns run: id, tenant_id, lead_id, workflow, version, event_id, session_id, state, step, waits_for, wake_at, data, created_at, ended_at

-- runs_of [hot]: the runs of a lead, newest first; a lead with more than a few hundred is a mistake.
SELECT {run} FROM runs WHERE tenant_id = $1 AND lead_id = $2 ORDER BY id DESC LIMIT 200;

-- insert_run [hot]: a run begins.
INSERT INTO runs (id, tenant_id, lead_id, workflow, version, event_id, session_id, state, step, waits_for, wake_at, data, created_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- update_run [hot]: a run went on.
UPDATE runs SET lead_id = $3, state = $4, step = $5, waits_for = $6, wake_at = $7, data = $8, ended_at = $9 WHERE tenant_id = $2 AND id = $1;

-- wakes [hot, operator]: runs whose time has come.
SELECT tenant_id, id, lead_id FROM runs WHERE state = 0 AND wake_at IS NOT NULL AND wake_at <= $1 ORDER BY wake_at, id LIMIT $2;

-- next_wake [hot, operator]: when the next run wakes.
SELECT wake_at FROM runs WHERE state = 0 AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1;

-- open_versions: which workflow versions open runs of a tenant go by.
SELECT DISTINCT workflow, version FROM runs WHERE tenant_id = $1 AND state = 0;
