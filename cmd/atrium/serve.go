package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"atrium/configs"
	"atrium/internal/certs"
	"atrium/internal/control"
	"atrium/mail/conn"
)

var serveCommand = &command{
	name: "serve", short: "run the server",
	long: `Runs until SIGTERM or SIGINT: then it lets each connection finish its command,
closes the store and ends with 0. With -demo it needs nothing: the store is in a
temporary folder that is removed at the end, two accounts have messages, events,
tasks, notes and contacts, and the terminal says how to connect.`,
	run: serve,
	flags: func(fs *flag.FlagSet) {
		configFlag(fs)
		fs.Bool("demo", false, "try it out: temporary store, sample data, unprivileged ports")
		fs.String("pid", "", "write the process number to this `file` once all listeners are open")
	},
}

func serve(i *invocation) error {
	if len(i.args) > 0 {
		return usageError("takes no arguments")
	}
	if i.flags.Lookup("demo").Value.String() == "true" {
		return serveDemo(i)
	}
	cfg, err := i.loadConfig()
	if err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	log := newLogger(i.errOut, cfg.Log)
	return runServer(i.ctx, cfg, log, func(*server) error {
		return writePID(i.flags.Lookup("pid").Value.String())
	})
}

func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(c.Level)) // validated
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func writePID(file string) error {
	if file == "" {
		return nil
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// server is the house with its doors: all listeners and what serves them.
type server struct {
	*house
	lines    []line // the line protocols
	web      []*http.Server
	bound    []bound
	failures chan error
	running  sync.WaitGroup
	closing  []func() // called when all connections have ended
}

// bound is one open listener, with what to start on it.
type bound struct {
	key   string // "imaps"
	l     net.Listener
	serve func(net.Listener) error
}

// runServer opens the house and its doors, calls ready, and serves until ctx
// ends or a listener fails.
func runServer(ctx context.Context, cfg configs.Config, log *slog.Logger, ready func(*server) error) (err error) {
	h, err := openHouse(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	s := &server{house: h, failures: make(chan error, 16)}
	h.sessions = s.endSessions
	if err := s.open(); err != nil {
		s.undo()
		return err
	}
	ctl, err := control.Listen(cfg.ControlSocket(), h.do, log)
	if err != nil {
		s.undo()
		return err
	}
	defer ctl.Close()
	for _, b := range s.bound {
		s.running.Go(func() {
			if err := b.serve(b.l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.failures <- fmt.Errorf("listener %s on %v: %w", b.key, b.l.Addr(), err)
			}
		})
		log.Info("listening", "for", b.key, "on", b.l.Addr().String())
	}
	if ready != nil {
		err = ready(s)
	}
	go giveBack(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
			log.Info("shutting down")
		case err = <-s.failures:
		}
	}
	return errors.Join(err, s.shutdown())
}

// endSessions ends the sessions of an account, by its name, in all line protocols. HTTP has none: each
// request shows its credentials again.
func (s *server) endSessions(user string) {
	for _, l := range s.lines {
		if n := l.End(user); n > 0 {
			s.log.Info("sessions ended", "protocol", l.name, "user", user, "sessions", n)
		}
	}
}

// shutdown ends all connections, each after the command under way.
func (s *server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Shutdown)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range s.lines {
		wg.Go(func() {
			if err := l.Shutdown(ctx); err != nil {
				s.log.Warn("connections closed by force", "protocol", l.name, "err", err)
			}
		})
	}
	for _, w := range s.web {
		wg.Go(func() {
			if err := w.Shutdown(ctx); err != nil {
				s.log.Warn("connections closed by force", "protocol", "http", "err", err)
				w.Close()
			}
		})
	}
	wg.Wait()
	s.running.Wait()
	for _, end := range s.closing {
		end()
	}
	return nil
}

// undo takes back what open did, when the server cannot start: nothing uses the store when that closes.
func (s *server) undo() {
	for _, b := range s.bound {
		b.l.Close()
	}
	for _, end := range s.closing {
		end()
	}
}

// certificate returns the configured certificate or one of the server's own.
func (s *server) certificate() (*certs.Files, error) {
	if s.cfg.TLS.Cert != "" {
		f, err := certs.Open(s.cfg.TLS.Cert, s.cfg.TLS.Key, s.log)
		if err != nil {
			return nil, fmt.Errorf("tls.cert, tls.key: %w", err)
		}
		return f, nil
	}
	hosts := []string{s.cfg.Hostname, s.cfg.Domain, "localhost", "127.0.0.1", "::1"}
	for _, ip := range lanAddresses() {
		hosts = append(hosts, ip.String())
	}
	return certs.Own(filepath.Join(s.cfg.Data, "tls"), hosts, s.log)
}

// lanAddresses are this machine's addresses in its networks.
func lanAddresses() (list []net.IP) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			list = append(list, n.IP)
		}
	}
	return list
}

// listen opens the listeners of one key.
func (s *server) listen(key string, addresses []string, serve func(net.Listener) error) error {
	for _, a := range addresses {
		l, err := conn.Listen(a)
		if err != nil {
			hint := ""
			if errors.Is(err, os.ErrPermission) {
				hint = "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
			}
			return fmt.Errorf("listen.%s: %w%s", key, err, hint)
		}
		s.bound = append(s.bound, bound{key, l, serve})
	}
	return nil
}

// http adds a listener for a handler.
func (s *server) http(key string, addresses []string, srv *http.Server, overTLS bool) error {
	if len(addresses) == 0 {
		return nil
	}
	srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	s.web = append(s.web, srv)
	return s.listen(key, addresses, func(l net.Listener) error {
		if overTLS {
			return srv.ServeTLS(l, "", "")
		}
		return srv.Serve(l)
	})
}
