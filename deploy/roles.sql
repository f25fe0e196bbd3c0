-- The roles of a database of your own, for its administrator: run in syncer's database before the first `syncer migrate`.
-- Running it again, before or after, is harmless. Plain SQL, any client: psql -d syncer -f deploy/roles.sql
--
--   syncer_owner   `syncer migrate` connects as this one: it makes and owns the two schemas
--   syncer         the daemon and all other commands: reads and writes rows, changes no schema
--   syncer_report  whoever is a member may read schema report, and nothing else
--   syncer_reader  a login for people and dashboards: a member of syncer_report, read-only, no query over half a minute
--
-- The logins have no passwords yet: \password syncer_owner and so on in psql, or ALTER ROLE ... PASSWORD '...'.

-- 1. The roles.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['syncer_report NOLOGIN', 'syncer_owner LOGIN', 'syncer LOGIN', 'syncer_reader LOGIN'] LOOP
    BEGIN
      EXECUTE 'CREATE ROLE ' || wanted;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

-- 2. Who may do what, with what is there now and with what `syncer migrate` adds.
DO $$
DECLARE
  -- An installation whose one login made the schemas keeps it as their owner.
  owner name := coalesce((SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'syncer'), 'syncer_owner');
BEGIN
  -- Anybody but a superuser sets the privileges of a role as its member only.
  IF NOT pg_has_role(owner, 'USAGE') THEN
    EXECUTE format('GRANT %I TO CURRENT_USER', owner);
  END IF;
  EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO %I', current_database(), owner);
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO syncer, syncer_report', current_database());
  -- What everybody may do in a new database, and a reader must not: fill its disk.
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;

  IF owner <> 'syncer' THEN
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT USAGE ON SCHEMAS TO syncer', owner);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncer', owner);
    IF to_regnamespace('syncer') IS NOT NULL THEN
      GRANT USAGE ON SCHEMA syncer TO syncer;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncer TO syncer;
    END IF;
    IF to_regnamespace('report') IS NOT NULL THEN
      GRANT USAGE ON SCHEMA report TO syncer;
      GRANT SELECT ON ALL TABLES IN SCHEMA report TO syncer;
    END IF;
  END IF;

  -- Readers. A first `syncer migrate` after this does the same for the views that it makes.
  IF to_regnamespace('report') IS NOT NULL THEN
    GRANT USAGE ON SCHEMA report TO syncer_report;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO syncer_report;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA report TO syncer_report;
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA report GRANT SELECT ON TABLES TO syncer_report', owner);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA report GRANT EXECUTE ON FUNCTIONS TO syncer_report',
                   owner);
  END IF;
END $$;

-- 3. Pulls compress what they write into the WAL, which halves it where files changed. Only a superuser grants that; without
-- it everything works, or set wal_compression = on for the server.
DO $$
BEGIN
  IF NOT has_parameter_privilege('syncer', 'wal_compression', 'SET') THEN
    GRANT SET ON PARAMETER wal_compression TO syncer;
  END IF;
EXCEPTION
  WHEN unique_violation THEN NULL;
  WHEN insufficient_privilege THEN RAISE NOTICE 'wal_compression: only a superuser lets syncer set it';
END $$;

-- 4. The readers' login keeps within bounds: no query over half a minute, no session left open for long.
ALTER ROLE syncer_reader CONNECTION LIMIT 20;
GRANT syncer_report TO syncer_reader;
ALTER ROLE syncer_reader SET default_transaction_read_only = on;
ALTER ROLE syncer_reader SET statement_timeout = '30s';
ALTER ROLE syncer_reader SET idle_in_transaction_session_timeout = '1min';
ALTER ROLE syncer_reader SET idle_session_timeout = '1h';
ALTER ROLE syncer_reader SET search_path = report;
