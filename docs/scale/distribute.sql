-- Turns the tables of Ringback into tables that are distributed by tenant (Citus), on a database whose schema was just made and is empty.
-- Run it once, as the owner of the tables, on the coordinator:
--
--     psql --set ON_ERROR_STOP=1 --single-transaction --file docs/scale/distribute.sql postgres://ringback_owner@…/ringback
--
-- All rows of a tenant lie on one server, so that everything that happens to a lead is one transaction on one machine. Read docs/scale.md first:
-- it says what has to be done before, what this was tried with, and what still is in the way.
--
-- `ringback-pgtest` runs this file against the schema and checks that no table is forgotten.

-- Known on every server: what rows of all tenants refer to.
SELECT create_reference_table('tenants');

-- The first one decides where a tenant lies; all others follow it.
SELECT create_distributed_table('leads', 'tenant_id', colocate_with => 'none');

-- Who may come in, and how a tenant is set up.
SELECT create_distributed_table('keys', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('users', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('documents', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('document_drafts', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('staff', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('connections', 'tenant_id', colocate_with => 'leads');

-- Leads and what happened to them.
SELECT create_distributed_table('contact_points', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('events', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('event_keys', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('sessions', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('score_states', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('score_ledger', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('runs', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('jobs', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('work', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('drafts', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('spam', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('set_aside', 'tenant_id', colocate_with => 'leads');

-- What is said.
SELECT create_distributed_table('messages', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('attempts', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('seen', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('counters', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('idempotency_keys', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('errors', 'tenant_id', colocate_with => 'leads');

-- What may be said, and who did what.
SELECT create_distributed_table('wordings', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('consents', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('chain', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('audit', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('recovery_holds', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('do_not_call_lists', 'tenant_id', colocate_with => 'leads');
SELECT create_distributed_table('do_not_call_numbers', 'tenant_id', colocate_with => 'leads');

-- These stay on the coordinator. They belong to no tenant, and no statement joins them with one that does.
-- local sign_in_links: found by a hash before anybody knows whose it is.
-- local browser_sessions: the same.
-- local nodes: which servers of Ringback are alive.
-- local node_turns: what each of them committed last.
-- local house_version: tells them that a configuration changed.
-- local schema_history: which migrations were applied.
-- local moves: whether the house moves to another database.
-- local moved_tables: how far each table of a move has come.
