# drive.sh adapter for Ringback on its embedded SQLite: sourced by drive.sh and compare.sh, which compare lead servers.
# By environment: RINGBACK (the release binary; `make build` makes it). The preset `bench` sends one text and one mail for each lead.
adapter_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RINGBACK=${RINGBACK:-$adapter_folder/../target/release/ringback}
name=ringback
url=http://127.0.0.1:$PORT/v1/leads health=http://127.0.0.1:$PORT/health/ready
per_lead=2
body=$adapter_folder/lead.json
start() {
  cat >"$WORKDIR/ringback.toml" <<T
[egress]
allow = ["127.0.0.0/8", "::1/128"]
T
  local key
  key=$("$RINGBACK" tenant create Bench --preset bench --data "$WORKDIR/data" --json | jq -r .api_key)
  headers=("Authorization: Bearer $key")
  "$RINGBACK" serve --config "$WORKDIR/ringback.toml" --data "$WORKDIR/data" --listen "127.0.0.1:$PORT" \
    >"$WORKDIR/ringback.out" 2>"$WORKDIR/ringback.log" & roots+=($!)
  for _ in $(seq 100); do curl -fs "$health" >/dev/null && break; sleep 0.1; done
  connect sms twilio '{"account_sid":"AC00000000000000000000000000000001","auth_token":"0123456789abcdef0123456789abcdef","from":"+12125550100","campaign":"CM0000"'
  connect email resend '{"api_key":"re_0123456789","from":"Bench <bench@example.com>"'
}
connect() { # CHANNEL PROVIDER SETTINGS-WITHOUT-THE-END
  curl -fsS "http://127.0.0.1:$PORT/v1/connections" -H "${headers[0]}" -H 'content-type: application/json' >/dev/null \
    -d "{\"channel\":\"$1\",\"provider\":\"$2\",\"name\":\"bench $1\",\"settings\":$3,\"base_url\":\"$SINK_URL\"}}"
}
