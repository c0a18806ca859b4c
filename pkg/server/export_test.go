package server

// BreakAccessLog has all later writes of access records fail.
func (s *Server) BreakAccessLog() error { return s.records.close() }
