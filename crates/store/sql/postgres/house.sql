-- last_ids [operator]: ids of PostgreSQL are allotted to nodes; a node knows its own.
SELECT 0::BIGINT;

-- last_audit: the newest administrative action of a tenant.
SELECT coalesce(max(id), 0) FROM audit WHERE tenant_id = $1;

-- version [operator]: of what is kept in mind: tenants, documents, staff, connections, keys.
SELECT version FROM house_version WHERE one = $1;

-- changed [operator]: what is kept in mind changed; every node reads it anew before its next turn.
UPDATE house_version SET version = greatest(version, (SELECT coalesce(max(changed), 0) FROM tenants)) + 1 WHERE one = 1;

-- touch: what is kept in mind of a tenant changed. Whoever counts up holds the row of the version until the commit, so that no lower number comes
-- after a higher one.
UPDATE tenants SET changed = (SELECT version FROM house_version WHERE one = 1) WHERE id = $1;
