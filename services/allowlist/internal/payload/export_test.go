package payload

// LimitWork limits the work of a message, so that tests of the limit are fast.
func (p *Pipeline) LimitWork(n int) { p.plan.WorkLimit = n }

// ValidJSON exports the check for JSON plaintexts.
func ValidJSON(plaintext []byte) bool { return validJSON(plaintext) }
