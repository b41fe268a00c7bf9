-- in_force [operator]: the national do-not-call lists that are asked, of all tenants.
SELECT id, tenant_id, country, as_of, numbers FROM do_not_call_lists WHERE state = 1 ORDER BY tenant_id, country;

-- in_force_of [hot]: the national do-not-call lists that are asked for a tenant.
SELECT id, tenant_id, country, as_of, numbers FROM do_not_call_lists WHERE tenant_id = $1 AND state = 1 ORDER BY country;

-- insert_list: a list begins to be read.
INSERT INTO do_not_call_lists (id, tenant_id, country, as_of, numbers, state, at) VALUES ($1, $2, $3, $4, 0, 0, $5);

-- insert_number [hot]: a number of a list.
INSERT INTO do_not_call_numbers (tenant_id, list_id, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- replace: the lists of the country that were asked before are asked no more.
UPDATE do_not_call_lists SET state = 2 WHERE tenant_id = $1 AND country = $2 AND state = 1;

-- begin_to_ask: a list that was read whole is asked from now on.
UPDATE do_not_call_lists SET state = 1, numbers = $3 WHERE tenant_id = $1 AND id = $2 AND state = 0;

-- give_up: a list that could not be read is asked never.
UPDATE do_not_call_lists SET state = 2 WHERE tenant_id = $1 AND id = $2 AND state = 0;

-- listed [hot]: whether a number is on a list.
SELECT 1 FROM do_not_call_numbers WHERE tenant_id = $1 AND list_id = $2 AND number = $3;

-- gone [operator]: a list that is asked no more, or that nobody finished.
SELECT tenant_id, id FROM do_not_call_lists WHERE state = 2 OR (state = 0 AND at < $1) LIMIT 1;

-- purge_numbers: its numbers, a piece at a time.
DELETE FROM do_not_call_numbers WHERE tenant_id = $1 AND list_id = $2 AND number IN (SELECT number FROM do_not_call_numbers WHERE tenant_id = $1 AND list_id = $2 LIMIT $3);

-- delete_list: at last the list itself.
DELETE FROM do_not_call_lists WHERE tenant_id = $1 AND id = $2;
