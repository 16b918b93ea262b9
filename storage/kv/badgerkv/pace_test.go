package badgerkv

import (
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
)

func TestPauseEndsWhenWritersWait(t *testing.T) {
	p := pacer{stop: make(chan struct{})}
	looks := 0
	p.pause(time.Hour, func() bool { looks++; return looks > 3 })
	if looks != 4 {
		t.Fatalf("looked %d times", looks)
	}
}

func TestPauseEndsAtStop(t *testing.T) {
	stop := make(chan struct{})
	p := pacer{stop: stop}
	never := func() bool { return false }
	close(stop)
	for range 1000 { // all pauses together would last for minutes
		p.pause(time.Hour, never)
	}
	if !p.hurry() {
		t.Fatal("no hurry after stop")
	}
}

func TestPauseIsBounded(t *testing.T) {
	p := pacer{stop: make(chan struct{})}
	looks := 0
	p.pause(time.Hour, func() bool { looks++; return false })
	if want := int(mostPause/paceLook) + 1; looks > want+1 {
		t.Fatalf("looked %d times, want %d", looks, want)
	}
}

// TestBadgerTellsOfMerging holds the words that the pacer waits for against those that Badger writes.
func TestBadgerTellsOfMerging(t *testing.T) {
	cfg := DefaultConfig()
	p := &pacer{stop: make(chan struct{})}
	opts := badgerOptions(t.TempDir(), cfg, p, slog.New(slog.DiscardHandler)).
		WithNumLevelZeroTables(1).WithNumLevelZeroTablesStall(2)
	db, err := badger.OpenManaged(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 256<<10)
	deadline := time.Now().Add(2 * time.Minute)
	for n := uint64(1); p.parts.Load() == 0; n++ {
		if time.Now().After(deadline) {
			t.Fatal("Badger merged nothing, or says so in other words")
		}
		txn := db.NewTransactionAt(n, true)
		key := binary.BigEndian.AppendUint64(nil, n%128)
		if err := txn.SetEntry(badger.NewEntry(key, value)); err != nil {
			t.Fatal(err)
		}
		if err := txn.CommitAt(n, nil); err != nil {
			t.Fatal(err)
		}
	}
}
