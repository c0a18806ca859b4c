package payload

// LimitWork lets a message make so much work only, so that tests of the limit are quick.
func (p *Pipeline) LimitWork(n int) { p.workLimit = n }
