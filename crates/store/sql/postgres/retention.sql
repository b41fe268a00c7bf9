-- events_before: tracking events of a piece of a tenant's leads that are older than an id, by a seek for each lead.
SELECT e.lead_id, e.id
FROM (SELECT id FROM leads WHERE tenant_id = $1 AND id > $2 AND id <= $3 AND merged_into IS NULL AND deleted_at IS NULL) AS l
CROSS JOIN LATERAL (
    SELECT lead_id, id FROM events WHERE tenant_id = $1 AND lead_id = l.id AND id < $4 AND source = 'tracking' ORDER BY id LIMIT $5) AS e
ORDER BY e.lead_id, e.id LIMIT $5;
