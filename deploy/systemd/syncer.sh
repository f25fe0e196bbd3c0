#!/bin/sh
# The command for people, as /usr/local/bin/syncer: syncer with the settings and secrets of the service. For root.
export SYNCER_CONFIG="${SYNCER_CONFIG:-/etc/syncer/syncer.toml}"
export CREDENTIALS_DIRECTORY="${CREDENTIALS_DIRECTORY:-/etc/syncer/credentials}"
exec /opt/syncer/bin/syncer "$@"
