#!/bin/sh
# Run once by the PostgreSQL image, in the new database: syncer's roles and their passwords.
set -eu
# Passwords come from files and go in as variables: they are in no command line.
psql --set=ON_ERROR_STOP=1 --no-psqlrc --username=postgres --dbname=syncer <<'SQL'
\i /syncer/roles.sql
\set owner `cat /run/secrets/owner_password`
\set syncer `cat /run/secrets/syncer_password`
\set reader `cat /run/secrets/reader_password`
ALTER ROLE syncer_owner PASSWORD :'owner';
ALTER ROLE syncer PASSWORD :'syncer';
ALTER ROLE syncer_reader PASSWORD :'reader';
SQL
