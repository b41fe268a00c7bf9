-- points_of [hot]: the contact points of a lead. The sign before the tenant keeps SQLite from reading all that the tenant has.
SELECT tenant_id, kind, value, lead_id, added_at, suppressed, suppressed_at, suppressed_how, consent, recent, terms FROM contact_points WHERE lead_id = $2 AND +tenant_id = $1;
