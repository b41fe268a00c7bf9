-- last_ids [operator]: ids of PostgreSQL are allotted to nodes; a node knows its own.
SELECT 0::BIGINT;

-- last_audit: the newest administrative action of a tenant.
SELECT coalesce(max(id), 0) FROM audit WHERE tenant_id = $1;
