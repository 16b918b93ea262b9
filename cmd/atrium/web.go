package main

import (
	"context"
	"path/filepath"

	"atrium/calendar/feed"
	"atrium/dav"
	"atrium/dav/caldav"
	"atrium/dav/carddav"
	"atrium/dav/files"
	"atrium/dav/push"
)

// newDAV is the HTTP face with all its modules, and with what works for them in the background.
func (s *server) newDAV() (*dav.Server, error) {
	keys, err := push.LoadKeys(filepath.Join(s.cfg.Data, "push.keys"))
	if err != nil {
		return nil, err
	}
	pushing := s.cfg.Push
	if pushing.Contact == "" {
		pushing.Contact = "postmaster@" + s.cfg.Domain
	}
	hub := push.New(s.store, pushing, keys, s.log)
	feeds := feed.New(s.store, s.cfg.Feed, s.log)
	modules := caldav.Modules(s.store, s.cfg.CalDAV, feeds)
	modules = append(modules, carddav.Module(s.store, s.cfg.CardDAV, s.findDirectory), files.Module(s.store, s.cfg.DAV.MaxFile), hub.Module())
	face := dav.New(s.cfg.DAV, s.store, s.dir, s.log, modules...)
	face.OnQuiet(hub.Quiet)
	s.background(feeds.Run)
	s.background(hub.Run)
	s.background(s.directories().Run)
	return face, nil
}

// background runs fn until the connections have ended.
func (s *server) background(fn func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(ctx)
	}()
	s.closing = append(s.closing, func() {
		cancel()
		<-done
	})
}
