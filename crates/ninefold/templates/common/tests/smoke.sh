#!/bin/sh
# The application starts on an empty database, describes itself, and stops cleanly.
# NINEFOLD names another binary than the one on the PATH, PORT another port.
set -eu
cd "$(dirname "$0")/.."
ninefold=${NINEFOLD:-ninefold}
address=127.0.0.1:${PORT:-18080}

"$ninefold" check .
"$ninefold" serve . --migrate --database sqlite::memory: --listen "$address" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

tries=0
until curl --silent --fail --output /dev/null "http://$address/readyz"; do
  tries=$((tries + 1))
  if [ "$tries" -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then
    echo "the server did not get ready" >&2
    exit 1
  fi
  sleep 0.1
done
curl --silent --fail --output /dev/null "http://$address/openapi.json"

kill -TERM "$server"
trap - EXIT
wait "$server"
echo "ok"
