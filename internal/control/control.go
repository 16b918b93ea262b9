// Package control lets the atrium subcommands talk to the server that runs, over
// a Unix socket in the data folder: one request a connection, JSON both ways.
//
// Whoever may open the socket administers the server; it lies in a
// folder that only the server's user can enter.
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Request names an operation and its arguments.
type Request struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args,omitempty"`
}

// Reply has the result, or an error in words for a person. Progress comes any number of times before
// it.
type Reply struct {
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Progress *Progress       `json:"progress,omitempty"`
}

// Progress of a long operation.
type Progress struct {
	Done, All int
}

// Handler carries out a request.
type Handler func(ctx context.Context, r Request, progress func(Progress)) (any, error)

// NotRunning means that no server listens on the socket.
var NotRunning = errors.New("no server runs on this data folder")

// maxRequest bounds a request: a list of accounts to import, at most.
const maxRequest = 64 << 20

// Server answers requests.
type Server struct {
	l    net.Listener
	do   Handler
	log  *slog.Logger
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Listen opens the socket at path. A socket that a dead server left is replaced; the caller holds
// the data folder's lock, so no living one is there.
func Listen(path string, do Handler, log *slog.Logger) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{l: l, do: do, log: log}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(s.accept)
	return s, nil
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Server) serve(c net.Conn) {
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	// a client that sends nothing does not hold up the end
	defer context.AfterFunc(s.ctx, func() { c.SetReadDeadline(time.Now()) })()
	var r Request
	enc := json.NewEncoder(deadlineWriter{c})
	if err := json.NewDecoder(io.LimitReader(c, maxRequest)).Decode(&r); err != nil {
		enc.Encode(Reply{Error: "request: " + err.Error()})
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	result, err := s.do(ctx, r, func(p Progress) {
		if enc.Encode(Reply{Progress: &p}) != nil {
			cancel() // nobody waits for it any more
		}
	})
	if err != nil {
		s.log.Info("administration failed", "op", r.Op, "err", err)
		enc.Encode(Reply{Error: err.Error()})
		return
	}
	s.log.Info("administration", "op", r.Op)
	b, err := json.Marshal(result)
	if err != nil {
		enc.Encode(Reply{Error: err.Error()})
		return
	}
	enc.Encode(Reply{Result: b})
}

// deadlineWriter gives up on a client that does not read.
type deadlineWriter struct{ net.Conn }

func (w deadlineWriter) Write(b []byte) (int, error) {
	w.SetWriteDeadline(time.Now().Add(10 * time.Second))
	return w.Conn.Write(b)
}

// Close ends the requests that are under way.
func (s *Server) Close() error {
	err := s.l.Close()
	s.stop()
	s.wg.Wait()
	return err
}

// Call sends a request to the server at path and decodes its result into out.
// The error is NotRunning when there is none.
func Call(ctx context.Context, path string, r Request, out any, progress func(Progress)) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return NotRunning
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return err
	}
	d := json.NewDecoder(bufio.NewReader(c))
	for {
		var a Reply
		switch err := d.Decode(&a); {
		case err != nil:
			return fmt.Errorf("the server went away: %w", err)
		case a.Progress != nil:
			if progress != nil {
				progress(*a.Progress)
			}
		case a.Error != "":
			return errors.New(a.Error)
		case out == nil:
			return nil
		default:
			return json.Unmarshal(a.Result, out)
		}
	}
}
