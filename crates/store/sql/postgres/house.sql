-- last_ids [operator]: ids of PostgreSQL are allotted to nodes; a node knows its own.
SELECT 0::BIGINT;

-- version [operator]: of what is kept in mind: tenants, documents, staff, connections, keys.
SELECT version FROM house_version WHERE one = $1;

-- changed [operator]: what is kept in mind changed; every node reads it anew before its next turn.
UPDATE house_version SET version = greatest(version, (SELECT coalesce(max(changed), 0) FROM tenants)) + 1 WHERE one = 1;

-- touch: what is kept in mind of a tenant changed. Whoever counts up holds the row of the version until the commit, so that no lower number comes
-- after a higher one.
UPDATE tenants SET changed = (SELECT version FROM house_version WHERE one = 1) WHERE id = $1;

-- arrived_ids [operator]: no node gives ids that are as low as one that moved in.
INSERT INTO nodes (node, epoch, role, lease_until, ids_until, state) SELECT n, 0, 'all', 0, $1, 2 FROM generate_series(1::BIGINT, 31::BIGINT) AS n
ON CONFLICT (node) DO UPDATE SET ids_until = greatest(nodes.ids_until, excluded.ids_until);
