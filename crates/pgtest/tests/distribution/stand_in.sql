-- Stands in for Citus: the same two functions with its rules, so that docs/scale/distribute.sql runs on a plain PostgreSQL and is refused where
-- Citus would refuse it. Source of the rules: docs.citusdata.com, "Distributed tables: limitations", version 12.
CREATE TABLE IF NOT EXISTS public.distributed (relation REGCLASS PRIMARY KEY, kind TEXT NOT NULL);

CREATE OR REPLACE FUNCTION create_reference_table(one REGCLASS) RETURNS VOID LANGUAGE SQL AS $$
    INSERT INTO public.distributed VALUES (one, 'reference')
$$;

CREATE OR REPLACE FUNCTION create_distributed_table(one REGCLASS, by TEXT, colocate_with TEXT DEFAULT 'default') RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    place SMALLINT;
    bad TEXT;
BEGIN
    SELECT attnum INTO place FROM pg_attribute WHERE attrelid = one AND attname = by AND attnotnull;
    IF place IS NULL THEN
        RAISE EXCEPTION '% has no column % that is never null', one, by;
    END IF;
    IF colocate_with <> 'none' AND NOT EXISTS (SELECT 1 FROM public.distributed WHERE relation = colocate_with::REGCLASS AND kind = 'distributed') THEN
        RAISE EXCEPTION '% is to lie beside %, which is not distributed', one, colocate_with;
    END IF;
    -- Citus wants the column somewhere in every key. Here it has to be the first, so that the key's index serves the tenant's own rows.
    SELECT string_agg(indexrelid::REGCLASS::TEXT, ', ') INTO bad FROM pg_index WHERE indrelid = one AND indisunique AND indkey[0] <> place;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION '% has keys that do not begin with %: %', one, by, bad;
    END IF;
    SELECT string_agg(c.conname, ', ') INTO bad
    FROM pg_constraint AS c LEFT JOIN public.distributed AS d ON d.relation = c.confrelid
    WHERE c.conrelid = one AND c.contype = 'f' AND d.kind IS DISTINCT FROM 'reference'
        AND NOT (d.kind = 'distributed' AND c.conkey[1] = place
            AND c.confkey[1] = (SELECT attnum FROM pg_attribute WHERE attrelid = c.confrelid AND attname = by));
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION '% has foreign keys that leave its tenant: %', one, bad;
    END IF;
    INSERT INTO public.distributed VALUES (one, 'distributed');
END
$$;
