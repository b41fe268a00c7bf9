-- columns consent: c.id, c.kind, c.value, c.channel, c.purpose, c.granted, c.basis, w.text, c.wrote, c.method, c.page, c.ip, c.actor, c.expires_at, c.at, c.erased_at, c.conditions

-- insert_consent [hot]: a grant or revocation.
INSERT INTO consents (id, tenant_id, lead_id, kind, value, channel, purpose, granted, basis, wording, wrote, method, page, ip, actor, expires_at, at, salt, conditions)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19);

-- insert_wording [hot]: what people are shown, kept once.
INSERT INTO wordings (tenant_id, hash, text, first_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- of_lead [hot]: the consents of a lead, oldest first.
SELECT {consent} FROM consents AS c LEFT JOIN wordings AS w ON w.tenant_id = c.tenant_id AND w.hash = c.wording
WHERE c.lead_id = $2 AND c.tenant_id = $1 ORDER BY c.id;

-- of_address [hot]: the consents of a number or address, oldest first.
SELECT {consent} FROM consents AS c LEFT JOIN wordings AS w ON w.tenant_id = c.tenant_id AND w.hash = c.wording
WHERE c.tenant_id = $1 AND c.value = $2 ORDER BY c.id;

-- merge_consents: the consents of the first lead become the second's.
UPDATE consents SET lead_id = $3 WHERE lead_id = $2 AND tenant_id = $1;

-- to_erase: the rows of a number or address that still have a content.
SELECT id FROM consents WHERE tenant_id = $1 AND value = $2 AND salt IS NOT NULL ORDER BY id;

-- erase_consent: the content and its salt go; the place in the chain stays.
UPDATE consents
SET lead_id = NULL, value = '', wording = NULL, wrote = NULL, method = '', page = NULL, ip = NULL, actor = NULL, expires_at = NULL, conditions = NULL, salt = NULL, erased_at = $3
WHERE tenant_id = $1 AND id = $2 AND salt IS NOT NULL;

-- insert_link [hot]: an entry takes its place in the chain.
INSERT INTO chain (tenant_id, seq, entry, row_id, at, commitment, hash) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- head [hot]: the end of a tenant's chain.
SELECT seq, hash FROM chain WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1;

-- links: the chain of a tenant from a place on.
SELECT seq, entry, row_id, at, commitment, hash FROM chain WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- consent_payload [hot]: all that a consent's commitment was made from.
SELECT kind, value, channel, purpose, granted, basis, wording, wrote, method, page, ip, actor, expires_at, at, salt, erased_at, conditions
FROM consents WHERE id = $2 AND tenant_id = $1;

-- audit_payload [hot]: all that an administrative action's commitment was made from.
SELECT at, actor, address, action, details, salt FROM audit WHERE id = $2 AND tenant_id = $1;

-- consent_ids: every consent of a tenant, to find rows that no entry names.
SELECT id FROM consents WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- audit_ids: every administrative action of a tenant, for the same.
SELECT id FROM audit WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- wordings: what people were shown, with the hashes that consents name.
SELECT hash, text FROM wordings WHERE tenant_id = $1;

-- seeded_change: a bug that is put in on purpose: a grant that stands is made to say something else.
UPDATE consents SET purpose = 'promotional'
WHERE tenant_id = $1 AND id = (SELECT min(id) FROM consents WHERE tenant_id = $1 AND purpose = 'transactional');
