-- The roles and the database of Ringback. Once, as the superuser of the primary:
--
--     sudo -u postgres psql --set ON_ERROR_STOP=1 --file roles.sql
--     sudo -u postgres psql --command '\password ringback_owner' --command '\password ringback_app' --command '\password ringback_backup'

-- Owns the tables and changes them in upgrades. Used for seconds at a start, by --database-owner.
CREATE ROLE ringback_owner LOGIN;
-- What a running server is. It owns nothing, and one tenant's rows are closed to another's requests by the database itself (X4).
CREATE ROLE ringback_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
-- Reads everything, of all tenants, and changes nothing. pg_dump as the owner is refused: row security holds for it too.
CREATE ROLE ringback_backup LOGIN BYPASSRLS;
GRANT pg_read_all_data TO ringback_backup;

CREATE DATABASE ringback OWNER ringback_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE ringback FROM PUBLIC;
GRANT CONNECT ON DATABASE ringback TO ringback_app, ringback_backup;
