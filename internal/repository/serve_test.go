package repository_test

import (
	"net/http/httptest"
	"testing"

	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
)

func TestOurHandler(t *testing.T) {
	repositorytest.Suite(t, func(t *testing.T, r *repository.Repository) string {
		server := httptest.NewServer(r.Handler(nil))
		t.Cleanup(server.Close)
		return server.URL
	})
}

func TestNginxServesTheFolderAsItIs(t *testing.T) {
	repositorytest.Suite(t, func(t *testing.T, r *repository.Repository) string {
		return repositorytest.Nginx(t, r.Dir())
	})
}
