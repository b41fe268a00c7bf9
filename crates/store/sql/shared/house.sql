-- tenants [operator]: all of them.
SELECT id, slug, name, secret, requests_per_minute, sandbox, kill, created_at, messages_per_hour FROM tenants ORDER BY id;

-- tenants_since [operator]: those of which something changed that servers keep in mind.
SELECT id, slug, name, secret, requests_per_minute, sandbox, kill, created_at, messages_per_hour, changed FROM tenants WHERE changed > $1 ORDER BY id;

-- insert_tenant [operator]: a business moves in.
INSERT INTO tenants (id, slug, name, secret, requests_per_minute, sandbox, kill, created_at, messages_per_hour) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- update_tenant: its switches.
UPDATE tenants SET name = $2, requests_per_minute = $3, sandbox = $4, kill = $5, messages_per_hour = $6 WHERE id = $1;

-- documents: the newest version of every file of a tenant.
SELECT path, version, text FROM documents AS d WHERE tenant_id = $1 AND version = (SELECT max(version) FROM documents WHERE tenant_id = $1 AND path = d.path);

-- document: the newest version of one file.
SELECT version, text, created_at, actor FROM documents WHERE tenant_id = $1 AND path = $2 ORDER BY version DESC LIMIT 1;

-- document_version: one version of one file.
SELECT version, text, created_at, actor FROM documents WHERE tenant_id = $1 AND path = $2 AND version = $3;

-- insert_document: a new version; none is ever changed.
INSERT INTO documents (tenant_id, path, version, text, created_at, actor)
VALUES ($1, $2, (SELECT coalesce(max(version), 0) + 1 FROM documents WHERE tenant_id = $1 AND path = $2), $3, $4, $5) RETURNING version;

-- document_versions: the versions of a file, newest first. A version without text is one in which it was gone.
SELECT version, created_at, actor, CAST(CASE WHEN text IS NULL THEN 1 ELSE 0 END AS BIGINT) FROM documents WHERE tenant_id = $1 AND path = $2 ORDER BY version DESC LIMIT $3;

-- documents_at: the version of every file of a tenant that held at an instant.
SELECT path, version, text FROM documents AS d WHERE tenant_id = $1
AND version = (SELECT max(version) FROM documents WHERE tenant_id = $1 AND path = d.path AND created_at <= $2);

-- releases: every change of files, newest first; those of one instant were one.
SELECT created_at, actor, path, version, CAST(CASE WHEN text IS NULL THEN 1 ELSE 0 END AS BIGINT) FROM documents WHERE tenant_id = $1
ORDER BY created_at DESC, path LIMIT $2;

-- document_drafts: files that were written and do not hold yet.
SELECT path, text, base, at, actor FROM document_drafts WHERE tenant_id = $1 ORDER BY path;

-- put_draft: a file is written down as it is to become.
INSERT INTO document_drafts (tenant_id, path, text, base, at, actor) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, path) DO UPDATE SET text = excluded.text, base = excluded.base, at = excluded.at, actor = excluded.actor;

-- delete_draft: what a file was to become is not wanted any more, or holds by now.
DELETE FROM document_drafts WHERE tenant_id = $1 AND path = $2;

-- staff: who works the leads.
SELECT name, phone, email, roles, lists, on_call FROM staff WHERE tenant_id = $1 ORDER BY name;

-- put_staff: a person is added or changed.
INSERT INTO staff (tenant_id, name, phone, email, roles, lists, on_call) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, name) DO UPDATE SET phone = excluded.phone, email = excluded.email, roles = excluded.roles, lists = excluded.lists, on_call = excluded.on_call;

-- delete_staff: a person leaves.
DELETE FROM staff WHERE tenant_id = $1 AND name = $2;

-- connections: a tenant's accounts, in the order in which they are tried.
SELECT id, channel, provider, name, settings, path_secret, position, enabled, trouble, created_at, breaker FROM connections WHERE tenant_id = $1 ORDER BY position, id;

-- insert_connection: a new account.
INSERT INTO connections (id, tenant_id, channel, provider, name, settings, path_secret, position, enabled, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- update_connection: settings, order, on or off.
UPDATE connections SET settings = $3, position = $4, enabled = $5, trouble = $6, breaker = $7 WHERE tenant_id = $1 AND id = $2;

-- connection_trouble: what a provider says is wrong with an account.
UPDATE connections SET trouble = $3 WHERE tenant_id = $1 AND id = $2;

-- connection_breaker [operator]: it rests since repeated failures, or works again.
UPDATE connections SET breaker = $2 WHERE id = $1;

-- breakers [operator]: the connections that rest, of all tenants.
SELECT id, breaker FROM connections WHERE breaker IS NOT NULL;

-- breakers_of [hot]: the connections of a tenant that rest.
SELECT id, breaker FROM connections WHERE tenant_id = $1 AND breaker IS NOT NULL;

-- delete_connection: an account goes.
DELETE FROM connections WHERE tenant_id = $1 AND id = $2;

-- keys [operator]: every key that may still be used.
SELECT id, tenant_id, kind, name, shown, hash, scopes, expires_at, last_used_at, revoked_at, created_at FROM keys WHERE revoked_at IS NULL ORDER BY id;

-- keys_of: a tenant's keys, revoked ones too.
SELECT id, tenant_id, kind, name, shown, hash, scopes, expires_at, last_used_at, revoked_at, created_at FROM keys WHERE tenant_id = $1 ORDER BY id;

-- insert_key: a new key.
INSERT INTO keys (id, tenant_id, kind, name, shown, hash, scopes, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- revoke_key: a key opens nothing any more.
UPDATE keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL;

-- key_used [operator]: when a key was last used.
UPDATE keys SET last_used_at = $2 WHERE id = $1;

-- users: who signs in.
SELECT id, tenant_id, email, name, role, password, created_at, disabled_at FROM users WHERE tenant_id = $1 ORDER BY id;

-- users_by_email [operator]: a person by address, in every tenant.
SELECT id, tenant_id, email, name, role, password, created_at, disabled_at FROM users WHERE email = $1 AND disabled_at IS NULL ORDER BY id;

-- user [operator]: a person by id.
SELECT id, tenant_id, email, name, role, password, created_at, disabled_at FROM users WHERE id = $1;

-- insert_user: a person who signs in.
INSERT INTO users (id, tenant_id, email, name, role, password, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- update_user: name, role, password, on or off.
UPDATE users SET name = $3, role = $4, password = $5, disabled_at = $6 WHERE tenant_id = $1 AND id = $2;

-- insert_link [operator]: a link to sign in with.
INSERT INTO sign_in_links (hash, user_id, expires_at) VALUES ($1, $2, $3);

-- use_link [operator]: it opens once.
UPDATE sign_in_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING user_id;

-- insert_browser [operator]: a browser is signed in.
INSERT INTO browser_sessions (hash, user_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4);

-- browser [operator]: who is behind a cookie.
SELECT b.user_id, b.created_at, b.seen_at, b.expires_at FROM browser_sessions AS b WHERE b.hash = $1;

-- browser_seen [operator]: it was used.
UPDATE browser_sessions SET seen_at = $2 WHERE hash = $1;

-- delete_browser [operator]: it is signed out.
DELETE FROM browser_sessions WHERE hash = $1;

-- delete_browsers [operator]: a person is signed out everywhere.
DELETE FROM browser_sessions WHERE user_id = $1;

-- insert_set_aside: an event that could not be decided, in its raw form.
INSERT INTO set_aside (id, tenant_id, lead_id, fingerprint, error, raw, at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- set_aside: what could not be decided, newest first.
SELECT id, lead_id, fingerprint, error, raw, at FROM set_aside WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- count_error: the same error again.
INSERT INTO errors (tenant_id, fingerprint, severity, message, context, n, first_at, last_at) VALUES ($1, $2, $3, $4, $5, 1, $6, $6)
ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET n = errors.n + 1, last_at = excluded.last_at, context = excluded.context;

-- errors: grouped, most recent first.
SELECT fingerprint, severity, message, context, n, first_at, last_at FROM errors WHERE tenant_id = $1 ORDER BY last_at DESC LIMIT $2;

-- last_audit: the newest administrative action of a tenant.
SELECT coalesce(max(id), 0) FROM audit WHERE tenant_id = $1;

-- insert_audit: an administrative action.
INSERT INTO audit (id, tenant_id, at, actor, address, action, details, salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- audit: administrative actions, newest first.
SELECT id, at, actor, address, action, details FROM audit WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- answer [operator]: whether the database answers.
SELECT 1;

-- arrived [operator]: all of a house has moved in, and it may be opened.
UPDATE moves SET state = 1, at = $2 WHERE one = 1 AND id = $1 AND state = 0;
