package store

// ForgetConnections has a database make its connections again, as it does by itself after a while.
func ForgetConnections(s Store) {
	handle := s.(*database).sql
	handle.SetMaxIdleConns(-1)
	handle.SetMaxIdleConns(2)
}
