-- states [hot]: where a lead stands in its models, and in those of its last visit.
SELECT model, session_id, points, tier, state FROM score_states WHERE tenant_id = $1 AND lead_id = $2 AND session_id IN (0, $3);

-- update_state [hot]: more points in a model.
UPDATE score_states SET points = $5, tier = $6, state = $7 WHERE tenant_id = $1 AND lead_id = $2 AND model = $3 AND session_id = $4;

-- insert_ledger [hot]: an award.
INSERT INTO score_ledger (tenant_id, lead_id, model, session_id, event_id, rule, model_version, points, at, why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- ledger [hot]: every award of a lead, oldest first.
SELECT model, session_id, event_id, rule, model_version, points, at, why FROM score_ledger WHERE lead_id = $2 AND tenant_id = $1 ORDER BY model, session_id, event_id;

-- all_states [hot]: every standing of a lead.
SELECT model, session_id, points, tier, state FROM score_states WHERE lead_id = $2 AND tenant_id = $1 ORDER BY model, session_id;
