// Package outbound makes HTTP clients for URLs that users give: subscribed calendars, push services.
//
// Rules: no request reaches this machine or a private network, whatever a name resolves to and wherever a
// redirect leads, unless the configuration allows it: the address is looked at when the connection is made. Every
// request has an end, and no proxy of the environment is asked.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Refused is a connection to an address that is not for the world.
var Refused = errors.New("the address is private")

// Client returns a client whose requests end after timeout. With private it may connect anywhere.
func Client(timeout time.Duration, private bool) *http.Client {
	d := &net.Dialer{Timeout: min(timeout, 20*time.Second)}
	if !private {
		d.ControlContext = control
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: d.DialContext, ForceAttemptHTTP2: true, MaxIdleConns: 20, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return errors.New("more than 5 redirects")
			}
			if r.URL.Scheme != "http" && r.URL.Scheme != "https" || via[0].URL.Scheme == "https" && r.URL.Scheme == "http" {
				return fmt.Errorf("redirect to %.20q", r.URL.Scheme)
			}
			return nil
		},
	}
}

// control looks at each address before it is connected to.
func control(_ context.Context, network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, Refused)
	}
	if network[:3] != "tcp" || !Public(ap.Addr()) {
		return fmt.Errorf("%s: %w", ap.Addr(), Refused)
	}
	return nil
}

// reserved are networks that netip's words do not name (RFC 6890).
var reserved = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// Public tells whether an address is one of the world's.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
