#!/bin/sh
# Makes known.json: messages that openssl writes for the keys of ../keys, in base64. They all say
# {"pan":"5413339000001513"}. Needs openssl 3. Nothing here shares code with Keyward.
set -eu
cd "$(dirname "$0")"
keys=../keys
text='{"pan":"5413339000001513"}'
temporary=$(mktemp -d)
trap 'rm -r "$temporary"' EXIT
printf '%s' "$text" > "$temporary/text"
openssl req -x509 -key "$keys/rsa2_priv.pem" -subj /CN=other -days 3650 -out "$temporary/other.pem" 2>/dev/null
separator='{'
message() { # name, arguments of openssl cms
	name=$1
	shift
	printf '%s\n  "%s": "%s"' "$separator" "$name" "$(openssl cms -binary -outform DER "$@" | base64 -w 0)"
	separator=','
}
encrypted() { # name, arguments of openssl cms
	name=$1
	shift
	message "$name" -encrypt -in "$temporary/text" "$@"
}
signed() { # name, arguments of openssl cms
	name=$1
	shift
	message "$name" -sign -nodetach -in "$temporary/text" "$@"
}
{
	pkcs1="-recip $keys/rsa_cert.pem"
	oaep="$pkcs1 -keyopt rsa_padding_mode:oaep"
	for cipher in aes-128-cbc aes-192-cbc aes-256-cbc des3 aes-128-gcm aes-256-gcm; do
		encrypted "$cipher pkcs1" -$cipher $pkcs1
		encrypted "$cipher oaep sha256" -$cipher $oaep -keyopt rsa_oaep_md:sha256
	done
	encrypted "oaep sha1" -aes-256-cbc $oaep
	encrypted "oaep sha256 mgf1 sha1" -aes-256-cbc $oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1
	encrypted "oaep sha512" -aes-256-cbc $oaep -keyopt rsa_oaep_md:sha512
	encrypted "indefinite lengths" -stream -aes-256-cbc $pkcs1
	encrypted "key identifier" -keyid -aes-256-cbc $pkcs1
	encrypted "several recipients" -aes-256-cbc -recip "$temporary/other.pem" -recip "$keys/rsa_cert.pem"
	encrypted "several recipients oaep" -aes-256-cbc -recip "$temporary/other.pem" -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 $oaep -keyopt rsa_oaep_md:sha256
	signed "rsa sha256" -md sha256 -signer $keys/rsa_cert.pem -inkey $keys/rsa_priv.pem
	signed "rsa sha384 indefinite lengths" -stream -md sha384 -signer $keys/rsa_cert.pem -inkey $keys/rsa_priv.pem
	signed "rsa sha512 without attributes" -noattr -md sha512 -signer $keys/rsa_cert.pem -inkey $keys/rsa_priv.pem
	signed "rsa sha1" -md sha1 -signer $keys/rsa_cert.pem -inkey $keys/rsa_priv.pem
	signed "ec sha256" -md sha256 -signer $keys/ec_cert.pem -inkey $keys/ec_priv.pem
	signed "ec sha256 key identifier" -keyid -nocerts -md sha256 -signer $keys/ec_cert.pem -inkey $keys/ec_priv.pem
	openssl cms -sign -nodetach -binary -outform DER -in "$temporary/text" -signer $keys/ec_cert.pem -inkey $keys/ec_priv.pem -out "$temporary/signed"
	message "signed inside" -encrypt -in "$temporary/signed" -aes-256-gcm $oaep -keyopt rsa_oaep_md:sha256
	printf '\n}\n'
} > known.json
