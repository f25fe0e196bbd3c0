-- The roles of a database of your own, for its administrator: run once in syncer's database, again after it is moved.
-- Running it twice is harmless. Plain SQL, any client: psql -d syncer -f deploy/roles.sql

-- 1. The readers' group: may read schema report, nothing else. `syncer migrate` makes it too where it may make roles.
DO $$
BEGIN
  CREATE ROLE syncer_report NOLOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- 2. What it may read, now and whenever the owner of the schema adds a view. Run this part after `syncer migrate`.
DO $$
DECLARE
  owner name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'report');
BEGIN
  IF owner IS NULL THEN
    RAISE NOTICE 'there is no schema report yet: run syncer migrate, then this file again';
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA report TO syncer_report;
  GRANT SELECT ON ALL TABLES IN SCHEMA report TO syncer_report;
  GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA report TO syncer_report;
  EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA report GRANT SELECT ON TABLES TO syncer_report', owner);
  EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA report GRANT EXECUTE ON FUNCTIONS TO syncer_report',
                 owner);
  -- What everybody may do in a new database, and a reader must not: fill its disk.
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), owner);
  REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;
END $$;

-- 3. A login for a person or a dashboard: read-only, no query over half a minute, no session left open for long.
--    It has no password yet: \password syncer_reader in psql, or ALTER ROLE syncer_reader PASSWORD '...'.
DO $$
BEGIN
  CREATE ROLE syncer_reader LOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
ALTER ROLE syncer_reader CONNECTION LIMIT 20;
GRANT syncer_report TO syncer_reader;
ALTER ROLE syncer_reader SET default_transaction_read_only = on;
ALTER ROLE syncer_reader SET statement_timeout = '30s';
ALTER ROLE syncer_reader SET idle_in_transaction_session_timeout = '1min';
ALTER ROLE syncer_reader SET idle_session_timeout = '1h';
ALTER ROLE syncer_reader SET search_path = report;

-- 4. The login that syncer itself connects with owns its two schemas; it needs no more than this:
--    CREATE ROLE syncer LOGIN; GRANT CONNECT, CREATE ON DATABASE syncer TO syncer;
