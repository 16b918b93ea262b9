package badgerkv_test

import (
	"log/slog"
	"testing"

	"atrium/storage/kv"
	"atrium/storage/kv/badgerkv"
	"atrium/storage/kv/kvtest"
)

func open(t testing.TB, dir string) *badgerkv.Engine {
	t.Helper()
	cfg := badgerkv.DefaultConfig()
	cfg.Reserve = 0
	e, err := badgerkv.Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Engine { return open(t, t.TempDir()) })
}

func TestPersistent(t *testing.T) {
	kvtest.RunPersistent(t, func(t *testing.T, dir string) kv.Engine { return open(t, dir) })
}
