#!/usr/bin/env bash
# Creates the files that the compose file needs for a trial of Keyward: an authority and
# certificates, key-encryption keys, and a substitute for your token issuer. Not for
# production: use certificates of your own authority and tokens of your own issuer there.
#
#   bootstrap files DIR          create missing files; renew certificates that expire within 30 days
#   bootstrap token DIR WHO      print a token of owner, member, or admin that is valid for an hour
#   bootstrap issuer DIR         serve the issuer's two documents
#
# DIR contains one folder for each reader, so that no program can read another's keys:
# authority, issuer, vault, allowlist, gateway, access. Keys are never replaced.
# Needs bash and openssl.
set -euo pipefail
umask 077

domain=keyward.internal # the SPIFFE trust domain
issuer=${KEYWARD_ISSUER:-https://issuer:9445}

main() {
	local command=${1:-} dir=${2:?"DIR is required"}
	case $command in
	files) files "$dir" ;;
	token) token "$dir" "${3:?"WHO is required: owner, member, or admin"}" ;;
	issuer) serve_issuer "$dir" ;;
	*) fail "unknown command; available: files, token, issuer" ;;
	esac
}

fail() {
	echo "bootstrap: $*" >&2
	exit 2
}

files() {
	mkdir -p "$1"/{authority,issuer,vault,allowlist,gateway,access}
	cd "$1"
	authority
	# The SPIFFE ID identifies the workload; the host names are its addresses.
	certificate vault/vault vault "DNS:vault"
	certificate allowlist/allowlist allowlist "DNS:allowlist"
	certificate gateway/gateway gateway "DNS:gateway"
	certificate issuer/issuer issuer "DNS:issuer"
	certificate access/sender checkout "DNS:checkout"
	for reader in vault allowlist gateway access; do
		replace authority/ca.pem "$reader/ca.pem"
	done
	key_file vault/vault.kek
	key_file allowlist/allowlist.kek
	issuer_documents
	echo "bootstrap: all files are ready"
}

# authority creates the certificate authority, once.
authority() {
	if [ -e authority/ca.pem ]; then return; fi
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
		-subj "/CN=Keyward trial authority" -keyout authority/ca.key -out authority/ca.new \
		-addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign" 2>/dev/null
	mv authority/ca.new authority/ca.pem
}

# certificate creates or renews FILE.crt and FILE.key for a workload.
certificate() {
	local file=$1 workload=$2 names=$3
	if openssl x509 -in "$file.crt" -noout -checkend 2592000 >/dev/null 2>&1; then return; fi
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
		-subj "/CN=Keyward $workload" -keyout "$file.key.new" -out "$file.csr" 2>/dev/null
	openssl x509 -req -in "$file.csr" -days 90 -sha256 -CA authority/ca.pem -CAkey authority/ca.key \
		-set_serial "0x$(openssl rand -hex 15)" -out "$file.crt.new" -extfile <(
			echo "basicConstraints=critical,CA:FALSE"
			echo "keyUsage=critical,digitalSignature"
			echo "extendedKeyUsage=serverAuth,clientAuth"
			echo "subjectAltName=URI:spiffe://$domain/$workload,$names,DNS:localhost,IP:127.0.0.1"
		) 2>/dev/null
	rm "$file.csr"
	mv "$file.key.new" "$file.key"
	mv "$file.crt.new" "$file.crt"
}

# replace copies a file atomically, so that no one reads half of it.
replace() {
	cp "$1" "$2.new"
	mv "$2.new" "$2"
}

# key_file creates a key-encryption key, once: without it the data is lost.
key_file() {
	if [ -e "$1" ]; then return; fi
	openssl rand -base64 32 >"$1.new"
	mv "$1.new" "$1"
}

# issuer_documents creates the key that signs tokens, once, and writes the discovery documents.
issuer_documents() {
	if [ ! -e issuer/token.key ]; then
		openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out issuer/token.new 2>/dev/null
		mv issuer/token.new issuer/token.key
	fi
	mkdir -p issuer/www/.well-known
	local modulus
	modulus=$(openssl rsa -in issuer/token.key -noout -modulus)
	# shellcheck disable=SC2001 # a bash pattern cannot refer to its match
	modulus=$(printf '%b' "$(sed 's/../\\x&/g' <<<"${modulus#Modulus=}")" | base64url)
	printf '{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"trial","n":"%s","e":"AQAB"}]}\n' "$modulus" >issuer/www/keys
	printf '{"issuer":"%s","jwks_uri":"%s/keys","id_token_signing_alg_values_supported":["RS256"]}\n' "$issuer" "$issuer" \
		>issuer/www/.well-known/openid-configuration
}

# serve_issuer runs openssl's test server. It serves one request at a time, which is enough
# for two programs that rarely send requests.
serve_issuer() {
	cd "$1/issuer/www"
	exec openssl s_server -accept "${issuer##*:}" -cert ../issuer.crt -key ../issuer.key -WWW -quiet
}

token() {
	local dir=$1 who=$2 group now head body
	case $who in
	owner) group=keyward-owners ;;
	member) group=keyward-members ;;
	admin) group=keyward-admins ;;
	*) fail "unknown person; available: owner, member, admin" ;;
	esac
	now=$(date +%s)
	head=$(printf '{"alg":"RS256","kid":"trial"}' | base64url)
	body=$(printf '{"iss":"%s","sub":"%s","aud":"keyward","iat":%d,"exp":%d,"groups":["%s"]}' \
		"$issuer" "$who" "$now" $((now + 3600)) "$group" | base64url)
	printf '%s.%s.%s\n' "$head" "$body" \
		"$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign "$dir/issuer/token.key" | base64url)"
}

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

main "$@"
