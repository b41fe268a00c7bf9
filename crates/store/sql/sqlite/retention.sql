-- events_before: tracking events of a piece of a tenant's leads that are older than an id. SQLite knows no LATERAL, and seeks for each lead of the list.
SELECT lead_id, id FROM events
WHERE lead_id IN (SELECT id FROM leads WHERE tenant_id = $1 AND id > $2 AND id <= $3 AND merged_into IS NULL AND deleted_at IS NULL)
    AND id < $4 AND source = 'tracking' AND +tenant_id = $1
ORDER BY lead_id, id LIMIT $5;
