#!/bin/sh
# The first start of a Postgres container: create a database and its owner, who is not a superuser.
# Reads OWNER, OWNER_PASSWORD, OWNER_RIGHT (createrole or nocreaterole) and OWNER_DATABASE.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres \
    --set owner="$OWNER" --set database="$OWNER_DATABASE" --set right="$OWNER_RIGHT" <<'SQL'
\getenv password OWNER_PASSWORD
create role :"owner" login :right password :'password';
create database :"database" owner :"owner";
SQL
psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$OWNER_DATABASE" \
    --file /docker-entrypoint-initdb.d/lock_down.sql.once
