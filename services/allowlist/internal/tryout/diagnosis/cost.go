package diagnosis

import (
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// What a variant takes, by estimate: compiling it, reading a byte, opening something with
// a private key, and one round of a hash in a slow derivation.
const (
	costCompile = 100 * time.Microsecond
	costByte    = 10 * time.Nanosecond
	costRSA     = 2 * time.Millisecond
	costCurve   = 200 * time.Microsecond
	costPGP     = 20 * time.Millisecond
	costRound   = 400 * time.Nanosecond
)

// costOf estimates how long a variant takes for a message of so many bytes with one
// value.
func costOf(p *allowlistv1.Profile, bytes int) time.Duration {
	cost := costCompile + time.Duration(bytes)*costByte
	if s := p.GetSigning(); s != nil {
		cost += time.Duration(len(s.GetKeys())) * (costCurve + time.Duration(bytes)*costByte)
	}
	cipher := p.GetCipher()
	if session := cipher.GetSessionKey(); session.GetRsaOaep() != nil || session.GetRsaPkcs1V15() != nil {
		cost += costRSA * time.Duration(len(session.GetKeys()))
	}
	cost += costCurve * time.Duration(len(cipher.GetEcdh().GetKeys()))
	cost += costRSA * time.Duration(len(p.GetRsaDirect().GetKeys()))
	cost += costPGP * time.Duration(len(p.GetPgp().GetKeys()))
	switch p.GetJose().GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP, allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP_256, allowlistv1.Jose_KEY_MANAGEMENT_RSA1_5:
		cost += costRSA * time.Duration(len(p.GetJose().GetKeys()))
	}
	for _, d := range []*allowlistv1.Derivation{
		cipher.GetSharedKey().GetDerivation(), cipher.GetSessionKey().GetDerivation(),
		cipher.GetEcdh().GetDerivation(), p.GetJose().GetDerivation(),
	} {
		cost += costRound * time.Duration(rounds(d))
	}
	return cost
}

// rounds returns how often a derivation hashes.
func rounds(d *allowlistv1.Derivation) int64 {
	switch function := d.GetFunction().(type) {
	case *allowlistv1.Derivation_Pbkdf2:
		return 2 * int64(function.Pbkdf2.GetIterations())
	case *allowlistv1.Derivation_EvpBytesToKey:
		return 3 * int64(max(1, function.EvpBytesToKey.GetIterations()))
	case *allowlistv1.Derivation_Scrypt:
		r, p := int64(max(8, function.Scrypt.GetR())), int64(max(1, function.Scrypt.GetP()))
		return int64(function.Scrypt.GetN()) * r * p
	default:
		return 0
	}
}
