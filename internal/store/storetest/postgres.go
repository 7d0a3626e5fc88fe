package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// PostgreSQL runs a server until the end of the test and returns a function that makes
// an empty database in it and returns its URL. The server listens only at a socket
// in a folder of its own. The test is skipped where PostgreSQL is not installed.
func PostgreSQL(t testing.TB) (newDatabase func(testing.TB) string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian has them, not in PATH
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed (apt-get install postgresql)")
	}
	bin := found[len(found)-1]
	// Not t.TempDir: a socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "esper-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)

	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--username=esper", "--auth=trust",
		"--encoding=UTF8", "--no-locale", "--pgdata="+data)
	initdb.SysProcAttr, initdb.Dir = as, dir
	if output, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "max_connections=50")
	server.SysProcAttr, server.Dir, server.Stdout, server.Stderr = as, dir, log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGQUIT) // at once, with its children
		server.Wait()
	})

	url := func(database string) string { return fmt.Sprintf("postgres://esper@/%s?host=%s", database, dir) }
	admin, err := sql.Open("pgx", url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	for deadline := time.Now().Add(20 * time.Second); admin.Ping() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("PostgreSQL does not answer:\n%s", said)
		}
	}
	var made atomic.Int32
	return func(t testing.TB) string {
		t.Helper()
		name := fmt.Sprintf("esper%d", made.Add(1))
		if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name+" STRATEGY file_copy"); err != nil {
			t.Fatal(err)
		}
		return url(name)
	}
}

// unprivileged returns how to run PostgreSQL, which refuses to be root, and gives it
// the folder.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			t.Skip("PostgreSQL does not run as root, and there is no other user")
		}
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
