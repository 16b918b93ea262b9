package dav

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"atrium/storage"
	"atrium/storage/account"
)

// Server answers HTTP requests over one store.
type Server struct {
	cfg    Config
	store  *storage.Store
	people *account.Directory
	log    *slog.Logger
	*registry
	ready readySet
	zip   http.Handler                                          // answers in gzip where the client takes it
	quiet func(a storage.AccountID, modseq uint64, whom string) // see OnQuiet
}

// New returns the face with its own modules (WebDAV, principals, sync) and those
// given. Two claims on one name panic.
func New(cfg Config, store *storage.Store, people *account.Directory, log *slog.Logger, modules ...Module) *Server {
	s := &Server{cfg: cfg, store: store, people: people, log: log}
	all := append(append(s.modules(), modules...), bulk) // bulk last: a module may know better what a POST means
	s.registry = collect(all)
	s.zip = s.compressed()
	return s
}

// modules are the server's own.
func (s *Server) modules() []Module {
	return []Module{webdav, locking, extendedMKCOL, accessControl, principals, versioning, delegation, sharing, addMember, syncCollection, quota, calendarServer}
}

// Store returns the store, for modules.
func (s *Server) Store() *storage.Store { return s.store }

// HTTP returns an http.Server for the face with the timeouts and limits of its Config; listeners
// and certificates are the caller's.
func (s *Server) HTTP(tlsConfig *tls.Config) *http.Server {
	return &http.Server{
		Handler: s, TLSConfig: tlsConfig, ReadHeaderTimeout: s.cfg.HeaderTimeout, ReadTimeout: s.cfg.BodyTimeout,
		WriteTimeout: s.cfg.WriteTimeout, IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: s.cfg.MaxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if mayCompress(r) {
		s.zip.ServeHTTP(w, r)
		return
	}
	s.answer(w, r)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	defer s.caught(w, r)
	if strings.HasPrefix(r.URL.Path, "/.well-known/") && s.wellKnown[strings.Trim(r.URL.Path[len("/.well-known/"):], "/")] {
		// RFC 6764 §5. The method stays the same for clients that follow:
		// all known ones send PROPFIND again after 301.
		w.Header().Set("Location", "/")
		w.Header().Set("Cache-Control", "max-age=3600")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	if h := s.anyone(r.URL.Path); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	w.Header()["DAV"] = []string{s.features} // spelled as clients know it
	if r.Method == http.MethodOptions {
		s.options(w)
		return
	}
	rq := &Request{Request: r, Server: s, ctx: context.WithoutCancel(r.Context())}
	err := s.serve(rq, w)
	if err == nil {
		return
	}
	if rq.begun {
		s.log.Debug("dav answer broken off", "method", r.Method, "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	e := asError(err)
	switch {
	case e.Status >= 500 && e.Status != http.StatusInsufficientStorage:
		s.log.Error("dav request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	default:
		s.log.Debug("dav request refused", "method", r.Method, "path", r.URL.Path, "status", e.Status, "err", err)
	}
	if e.Status == http.StatusUnauthorized {
		s.challenge(w)
	}
	if r.ContentLength > unread {
		drain(w, r, e)
		return
	}
	e.write(w, r.Method == http.MethodHead)
}

// anyone is who answers a path without a login; nil for most.
func (s *Server) anyone(path string) http.Handler {
	if len(s.public) == 0 || len(path) < 2 {
		return nil
	}
	for begin, h := range s.public {
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(begin, "/")); ok && (rest == "" || rest[0] == '/') {
			return h
		}
	}
	return nil
}

// Of a body of up to unread bytes that nobody read, net/http takes care before it sends the
// answer; of a larger one drained bytes are taken after it.
const (
	unread  = 256 << 10
	drained = 64 << 20
)

// drain sends an error while a large body is still on its way, and goes on
// reading: many clients look at the answer only when they have sent all, and a
// closed connection would be all they saw.
func drain(w http.ResponseWriter, r *http.Request, e *Error) {
	c := http.NewResponseController(w)
	if r.Header.Get("Expect") != "" || c.EnableFullDuplex() != nil {
		e.write(w, r.Method == http.MethodHead)
		return
	}
	w.Header().Set("Connection", "close")
	e.write(w, r.Method == http.MethodHead)
	if c.Flush() == nil {
		io.CopyN(io.Discard, r.Body, drained)
	}
}

// caught keeps a panic in one request from the others.
func (s *Server) caught(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.log.Error("dav request panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func (s *Server) serve(rq *Request, w http.ResponseWriter) error {
	if err := s.login(rq); err != nil {
		return err
	}
	handle := s.methods[rq.Method]
	if handle == nil {
		return &Error{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {s.allow}}}
	}
	if err := rq.headers(); err != nil {
		return err
	}
	if err := s.prepare(rq); err != nil {
		return err
	}
	if o := rq.Target.Owner; o != nil && o.Sort == account.Group && o.ID != rq.Actor.ID {
		if err := s.ensure(rq.Context(), o.ID); err != nil { // nobody logs in as a group
			return err
		}
	}
	if t := rq.Target.Tree; t != nil && t.Fresh != nil && rq.Target.Owner != nil {
		if err := t.Fresh(rq); err != nil {
			return err
		}
	}
	if err := rq.freshMounts(); err != nil {
		return err
	}
	return handle(rq, w)
}

// options answers OPTIONS anywhere, to anyone (RFC 4918 §10.1): clients read
// the DAV header before they log in.
func (s *Server) options(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Allow", s.allow)
	h.Set("MS-Author-Via", "DAV")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// challenge asks for name and password, always in the same words: another
// realm makes clients ask their user again.
func (s *Server) challenge(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q, charset=\"UTF-8\"", s.cfg.Realm))
}

// login authenticates a request (RFC 7617).
func (s *Server) login(rq *Request) error {
	name, password, ok := rq.BasicAuth()
	if !ok {
		return &Error{Status: http.StatusUnauthorized, Text: "Name and password are needed."}
	}
	remote := remoteAddr(rq.Request)
	if rq.TLS == nil && !s.cfg.Plain && !remote.IsLoopback() {
		return &Error{Status: http.StatusForbidden, Text: "Passwords are taken over TLS only: use https."}
	}
	a, err := s.people.Authenticate(rq.Context(), name, password, remote)
	if err != nil {
		return err
	}
	rq.Actor = a
	return nil
}

func remoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// prepare makes what a new account has, at the first request that this process
// sees of it.
func (s *Server) prepare(rq *Request) error {
	return s.ensure(rq.Context(), rq.Actor.ID)
}

func (s *Server) ensure(ctx context.Context, id storage.AccountID) error {
	if s.ready.has(id) {
		return nil
	}
	err := s.store.Update(ctx, id, func(tx *storage.Tx) error {
		for _, t := range s.treeList {
			if t.Ensure == nil {
				continue
			}
			if err := t.Ensure(tx); err != nil {
				return fmt.Errorf("defaults of %s: %w", t.Segment, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.ready.add(id)
	return nil
}

// view runs fn on a snapshot of an account.
func (rq *Request) view(a storage.AccountID, fn func(*storage.View) error) error {
	return rq.Server.store.View(rq.Context(), a, fn)
}

// find returns the account that a path's segment names; nil when there is none.
func (s *Server) find(ctx context.Context, login string) (*account.Account, error) {
	a, err := s.people.Find(ctx, login)
	if errors.Is(err, storage.NotFound) || errors.Is(err, storage.Invalid) || errors.Is(err, account.NotLocal) {
		return nil, nil
	}
	return a, err
}
