# drive.sh adapter for Ringback on PostgreSQL: NODES=1 servers on one database, haproxy in front of them where there are more.
# By environment: RINGBACK (the release binary), NODES. What it compares is as in adapter.sh.
source "$(dirname "${BASH_SOURCE[0]}")/adapter.sh"
NODES=${NODES:-1}
name=ringback-postgres-$NODES
start() {
  start_postgres
  "$PG_BIN/psql" -q -v ON_ERROR_STOP=1 -f "$adapter_folder/../docs/postgresql/roles.sql" postgres
  local own=postgres://ringback_owner@127.0.0.1:$PGPORT/ringback database=postgres://ringback_app@127.0.0.1:$PGPORT/ringback n port
  cat >"$WORKDIR/ringback.toml" <<T
[egress]
allow = ["127.0.0.0/8", "::1/128"]
T
  unset DATABASE_URL
  for n in $(seq "$NODES"); do
    port=$PORT; [ "$NODES" = 1 ] || port=$((PORT + 10 + n))
    [ "$n" = 1 ] || { mkdir -p "$WORKDIR/data$n"; cp "$WORKDIR/data1/master.key" "$WORKDIR/data$n/"; }
    "$RINGBACK" serve --config "$WORKDIR/ringback.toml" --data "$WORKDIR/data$n" --listen "127.0.0.1:$port" \
      --database "$database" $([ "$n" = 1 ] && echo "--database-owner $own") >"$WORKDIR/ringback$n.out" 2>"$WORKDIR/ringback$n.log" & roots+=($!)
    for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/health/ready" >/dev/null && break; sleep 0.1; done
  done
  if [ "$NODES" != 1 ]; then
    {
      echo "defaults"; printf '  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n'
      printf 'listen ringback\n  bind 127.0.0.1:%s\n  balance roundrobin\n' "$PORT"
      for n in $(seq "$NODES"); do echo "  server node$n 127.0.0.1:$((PORT + 10 + n))"; done
    } >"$WORKDIR/haproxy.cfg"
    haproxy -f "$WORKDIR/haproxy.cfg" 2>"$WORKDIR/haproxy.log" & roots=("$!" "${roots[@]}")
    for _ in $(seq 100); do curl -fs "$health" >/dev/null && break; sleep 0.1; done
  fi
  local key
  key=$("$RINGBACK" tenant create Bench --preset bench --data "$WORKDIR/data1" --database "$database" --json | jq -r .api_key)
  headers=("Authorization: Bearer $key")
  known
  connect sms twilio '{"account_sid":"AC00000000000000000000000000000001","auth_token":"0123456789abcdef0123456789abcdef","from":"+12125550100","campaign":"CM0000"'
  connect email resend '{"api_key":"re_0123456789","from":"Bench <bench@example.com>"'
  [ "$NODES" = 1 ] || known
}
# Every node knows the tenant and its accounts.
known() {
  local n port
  for n in $(seq "$NODES"); do
    port=$PORT; [ "$NODES" = 1 ] || port=$((PORT + 10 + n))
    for _ in $(seq 400); do curl -fs "http://127.0.0.1:$port/v1/connections" -H "${headers[0]}" >/dev/null && break; sleep 0.1; done
  done
}
