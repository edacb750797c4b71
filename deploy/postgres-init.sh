#!/bin/sh
# Runs once, in an empty database: makes the account that the service signs in with. It owns nothing, and it is a member of
# holdfast_service, whose rights the migrations grant: it can do the service's work and cannot rewrite audit events.
set -eu
psql --quiet --set=ON_ERROR_STOP=1 --set=password="$APP_PASSWORD" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE holdfast_service NOLOGIN;
CREATE ROLE holdfast_app LOGIN PASSWORD :'password' IN ROLE holdfast_service;
SQL
