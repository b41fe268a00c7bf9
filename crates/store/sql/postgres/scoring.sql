-- insert_state [hot]: the first points in a model.
INSERT INTO score_states (tenant_id, lead_id, model, session_id, points, tier, state) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, lead_id, model, session_id) DO UPDATE SET points = excluded.points, tier = excluded.tier, state = excluded.state;
