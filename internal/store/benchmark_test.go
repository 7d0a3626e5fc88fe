package store_test

import (
	"path/filepath"
	"testing"

	"esper/internal/store/storetest"
)

func BenchmarkMessagesSQLite(b *testing.B) {
	storetest.Benchmark(b, filepath.Join(b.TempDir(), "esper.db"))
}

func BenchmarkMessagesPostgreSQL(b *testing.B) {
	newDatabase := storetest.PostgreSQL(b)
	b.ResetTimer()
	storetest.Benchmark(b, newDatabase(b))
}
