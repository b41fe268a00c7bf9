-- columns run: id, tenant_id, lead_id, workflow, version, event_id, session_id, state, step, waits_for, wake_at, data, created_at, ended_at

-- runs_of [hot]: the runs of a lead, newest first; a lead with more than a few hundred is a mistake.
SELECT {run} FROM runs WHERE tenant_id = $1 AND lead_id = $2 ORDER BY id DESC LIMIT 200;

-- insert_run [hot]: a run begins.
INSERT INTO runs (id, tenant_id, lead_id, workflow, version, event_id, session_id, state, step, waits_for, wake_at, data, created_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- update_run [hot]: a run went on.
UPDATE runs SET lead_id = $3, state = $4, step = $5, waits_for = $6, wake_at = $7, data = $8, ended_at = $9, version = $10 WHERE tenant_id = $2 AND id = $1;

-- wakes [hot, operator]: runs whose time has come.
SELECT tenant_id, id, lead_id FROM runs WHERE state = 0 AND wake_at IS NOT NULL AND wake_at <= $1 ORDER BY wake_at, id LIMIT $2;

-- next_wake [hot, operator]: when the next run wakes.
SELECT wake_at FROM runs WHERE state = 0 AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1;

-- open_versions: which workflow versions open runs of a tenant go by.
SELECT DISTINCT workflow, version FROM runs WHERE tenant_id = $1 AND state = 0;

-- run: one run.
SELECT {run} FROM runs WHERE tenant_id = $1 AND id = $2;

-- runs_in: runs of a workflow in a state, newest first, before an id.
SELECT {run} FROM runs WHERE tenant_id = $1 AND workflow = $2 AND state = $3 AND id < $4 ORDER BY id DESC LIMIT $5;

-- trails: where the newest runs of a workflow in a state went, those that began at an id or after it.
SELECT version, data FROM runs WHERE tenant_id = $1 AND workflow = $2 AND state = $3 AND id >= $4 ORDER BY id DESC LIMIT $5;

-- open_runs: how many runs of a workflow are under way, by version, and when the first of them wakes; no more than a number are counted.
SELECT version, count(*), min(wake_at) FROM (SELECT version, wake_at FROM runs WHERE tenant_id = $1 AND workflow = $2 AND state = 0 LIMIT $3) AS under_way
GROUP BY version ORDER BY version;

-- jobs_of: what goes on in a tenant beside its leads' own events.
SELECT name, what, due_at, after_id, data, created_at FROM jobs WHERE tenant_id = $1 ORDER BY name;

-- jobs_due [hot, operator]: jobs whose time has come.
SELECT tenant_id, name, what, after_id FROM jobs WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, tenant_id, name LIMIT $2;

-- next_job [hot, operator]: when the next job is due.
SELECT due_at FROM jobs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1;

-- put_job: a job as it is to be.
INSERT INTO jobs (tenant_id, name, what, due_at, after_id, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, name) DO UPDATE SET what = excluded.what, due_at = excluded.due_at, after_id = excluded.after_id, data = excluded.data, created_at = excluded.created_at;

-- insert_work [hot]: an order that somebody else carries out; the same run, step and attempt orders it once.
INSERT INTO work (id, tenant_id, lead_id, run_id, key, kind, title, assignee, due_at, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING;

-- merge_work: orders of the first lead become the second's.
UPDATE work SET lead_id = $3 WHERE tenant_id = $1 AND lead_id = $2;

-- open_work: what is still to be done, newest first, before an id.
SELECT id, lead_id, run_id, kind, title, assignee, due_at, data, created_at FROM work WHERE tenant_id = $1 AND id < $2 AND done_at IS NULL ORDER BY id DESC LIMIT $3;

-- finish_work: somebody did it.
UPDATE work SET done_at = $3, done_by = $4 WHERE tenant_id = $1 AND id = $2 AND done_at IS NULL;

-- work_exists: whether there is such an order, done or not.
SELECT 1 FROM work WHERE tenant_id = $1 AND id = $2;
