#!/usr/bin/env bash
# What an operator does with the services of the compose file once they run; see
# compose-run.sh. STATE is its folder.
set -euo pipefail
files=$STATE/volumes
api=https://localhost:8443/v1/workspaces/demo

token() { "$BOOTSTRAP" token "$STATE/tokens" "$1"; }
mkdir -p "$STATE/tokens" && ln -sfn "$files/issuer-files" "$STATE/tokens/issuer"
admin=$(token admin)
owner=$(cat "$STATE/owner.token")

call() {
	local who=$1
	shift
	curl -sS --fail-with-body --cacert "$files/access/ca.pem" -H "Authorization: Bearer $who" "$@"
}

for _ in $(seq 100); do
	if call "$owner" "$api/secrets" >/dev/null 2>&1 && call "$owner" "$api/endpoints" >/dev/null 2>&1; then break; fi
	sleep 0.2
done

call "$owner" --json '{"value":{"generate":{"kind":"KIND_AES_256"}}}' "$api/secrets?secretId=bank-key" >/dev/null
call "$owner" --json '{"url":"https://api.bank.example/pay","methods":["POST"],"encryption":{"request":{
  "cipher":{"algorithm":"ALGORITHM_AES_256_GCM","sharedKey":{"keys":[{"name":"workspaces/demo/secrets/bank-key"}]}},
  "envelope":{"json":"{\"data\":\"${data}\"}"}}}}' "$api/endpoints?endpointId=bank" >/dev/null
call "$admin" --json '{}' "$api/endpoints/bank:approve" >/dev/null
call "$owner" --json '{}' "$api/endpoints/bank:activate" | jq -e '.state == "STATE_ACTIVE"' >/dev/null
echo "an owner and an admin set an endpoint up"

grpcurl -cacert "$files/access/ca.pem" -cert "$files/access/sender.crt" -key "$files/access/sender.key" \
	-d '{"name":"workspaces/demo/endpoints/bank","body":"aGVsbG8="}' \
	localhost:9444 keyward.allowlist.v1.AllowlistService/Encrypt | jq -e '.body | @base64d | fromjson | .data' >/dev/null
echo "a workload sends with its certificate"

for port in 9090 9091 9092; do
	curl -sSf -o /dev/null "http://127.0.0.1:$port/readyz"
	curl -sSf "http://127.0.0.1:$port/metrics" >>"$STATE/metrics"
done
echo "all are ready and show metrics"
