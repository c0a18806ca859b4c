package payload

// LimitWork lets a message make so much work only, so that tests of the limit are quick.
func (p *Pipeline) LimitWork(n int) { p.plan.WorkLimit = n }

// ValidJSON is what looks at plaintexts of JSON.
func ValidJSON(plaintext []byte) bool { return validJSON(plaintext) }
