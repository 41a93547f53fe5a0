#!/bin/sh
# The first start of a Postgres container: give the database $POSTGRES_DB to $OWNER, who is not a superuser,
# and close it for others. OWNER_RIGHT is nocreaterole or createrole. Passwords are in the files that
# OWNER_PASSWORD_FILE and CELERY_PASSWORD_FILE name. With the second, also create a database for the results
# of Celery.
set -eu
sql() {
    psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --username postgres --dbname "$POSTGRES_DB" "$@"
}
OWNER_PASSWORD=$(cat "$OWNER_PASSWORD_FILE")
export OWNER_PASSWORD
sql --set owner="$OWNER" --set right="${OWNER_RIGHT:-nocreaterole}" --set database="$POSTGRES_DB" <<'SQL'
\getenv password OWNER_PASSWORD
create role :"owner" login :right password :'password';
alter database :"database" owner to :"owner";
revoke all on database :"database" from public;
revoke connect, temporary on database postgres, template1 from public;
SQL
if [ -n "${CELERY_PASSWORD_FILE:-}" ]; then
    CELERY_PASSWORD=$(cat "$CELERY_PASSWORD_FILE")
    export CELERY_PASSWORD
    sql <<'SQL'
\getenv password CELERY_PASSWORD
create role celery login password :'password';
create database celery owner celery;
revoke all on database celery from public;
SQL
fi
