package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ctx := context.Background()
	if err := Call(ctx, path, Request{Op: "x"}, nil, nil); err != NotRunning {
		t.Errorf("without a server: %v", err)
	}
	s, err := Listen(path, func(_ context.Context, r Request, progress func(Progress)) (any, error) {
		if r.Op == "bad" {
			return nil, errors.New("no such thing")
		}
		progress(Progress{1, 2})
		progress(Progress{2, 2})
		var args []int
		json.Unmarshal(r.Args, &args)
		return args[0] + args[1], nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var sum, steps int
	if err := Call(ctx, path, Request{"add", json.RawMessage("[2,3]")}, &sum, func(Progress) { steps++ }); err != nil || sum != 5 || steps != 2 {
		t.Errorf("got %d after %d steps, %v", sum, steps, err)
	}
	if err := Call(ctx, path, Request{Op: "bad"}, nil, nil); err == nil || err.Error() != "no such thing" {
		t.Errorf("got %v", err)
	}
	// one that says nothing
	idle, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	s.Close()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
	if err := Call(ctx, path, Request{Op: "x"}, nil, nil); err != NotRunning {
		t.Errorf("after Close: %v", err)
	}
}
