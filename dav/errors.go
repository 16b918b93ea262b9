package dav

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// Error is an answer that is not success. With a Condition the body is a
// DAV:error with that element alone in it (RFC 4918 §16).
type Error struct {
	Status    int
	Condition xml.Name // "": no precondition has a name for it
	Href      string   // put into the condition's element, percent-encoded
	Inner     []byte   // put into it, as XML with the usual prefixes, instead of Href
	Text      string   // for people, when there is no Condition
	Header    http.Header
	Err       error // what it comes from, for the log
}

func (e *Error) Error() string {
	s := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	if e.Condition.Local != "" {
		s += " " + e.Condition.Local
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Fail is an Error with a status and a text for people.
func Fail(status int, format string, args ...any) *Error {
	return &Error{Status: status, Text: fmt.Sprintf(format, args...)}
}

// Refuse is an Error with a status and a condition, "D:valid-sync-token".
func Refuse(status int, condition string) *Error {
	return &Error{Status: status, Condition: elem.N(condition)}
}

// errAbsent says of a property that a resource does not have it.
var errAbsent = &Error{Status: http.StatusNotFound}

// Absent is what Property.Get returns when a resource does not have the property.
func Absent() error { return errAbsent }

// statuses turns the store's classes of failure into HTTP's.
var statuses = map[storage.Kind]int{
	storage.NotFound:    http.StatusNotFound,
	storage.Exists:      http.StatusConflict,
	storage.Forbidden:   http.StatusForbidden,
	storage.OverQuota:   http.StatusInsufficientStorage,
	storage.Conflict:    http.StatusPreconditionFailed,
	storage.TooLarge:    http.StatusInsufficientStorage,
	storage.Invalid:     http.StatusForbidden,
	storage.Unavailable: http.StatusServiceUnavailable,
}

// conditionOf has the element that tells about a class (RFC 3744 §7.1.1, RFC
// 4331 §6).
var conditionOf = map[storage.Kind]string{
	storage.Forbidden: "D:need-privileges",
	storage.OverQuota: "D:quota-not-exceeded",
}

// asError is err in HTTP's words.
func asError(err error) *Error {
	var e *Error
	var kind storage.Kind
	var login account.Kind
	var size *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &e):
		return e
	case elem.IsBad(err):
		if errors.Is(err, elem.TooLarge) {
			return &Error{Status: http.StatusRequestEntityTooLarge, Text: err.Error(), Err: err}
		}
		return &Error{Status: http.StatusBadRequest, Text: err.Error(), Err: err}
	case errors.As(err, &login):
		return loginError(login)
	case errors.As(err, &size), errors.Is(err, blob.TooLarge):
		return &Error{Status: http.StatusRequestEntityTooLarge, Err: err}
	case errors.As(err, &network) && network.Timeout():
		return &Error{Status: http.StatusRequestTimeout, Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF), network != nil:
		return &Error{Status: http.StatusBadRequest, Text: "the body ends too soon", Err: err}
	case errors.As(err, &kind):
		out := &Error{Status: statuses[kind], Err: err}
		if c := conditionOf[kind]; c != "" {
			out.Condition = elem.N(c)
		}
		if out.Status != 0 {
			return out
		}
	}
	return &Error{Status: http.StatusInternalServerError, Err: err}
}

func loginError(kind account.Kind) *Error {
	later := http.Header{"Retry-After": {"60"}}
	switch kind {
	case account.Denied:
		return &Error{Status: http.StatusUnauthorized, Text: "Name or password is wrong.", Err: kind}
	case account.Disabled:
		return &Error{Status: http.StatusForbidden, Text: "The account is disabled.", Err: kind}
	case account.Locked:
		return &Error{Status: http.StatusTooManyRequests, Text: "Too many failed logins, try again later.", Header: later, Err: kind}
	case account.Busy:
		return &Error{Status: http.StatusServiceUnavailable, Text: "Too many logins at once, try again.", Header: http.Header{"Retry-After": {"5"}}, Err: kind}
	}
	return &Error{Status: http.StatusInternalServerError, Err: kind}
}

// write sends the error as an answer.
func (e *Error) write(w http.ResponseWriter, head bool) {
	h := w.Header()
	for k, v := range e.Header {
		h[k] = v
	}
	var body []byte
	if e.Condition.Local != "" {
		h.Set("Content-Type", xmlType)
		var x elem.Writer
		x.Str(xmlHead)
		if e.Inner != nil {
			tag := elem.TagOf(e.Condition)
			x.Str("<D:error")
			x.Declare()
			x.Str("><" + tag.Start + ">")
			x.Raw(e.Inner)
			x.Str("</" + tag.End + "></D:error>")
		} else {
			x.Str(`<D:error xmlns:D="DAV:"`)
			x.ErrorBody(e.Condition, e.Href)
		}
		body = x.Bytes()
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		text := e.Text
		if text == "" {
			text = http.StatusText(e.Status)
		}
		body = []byte(text + "\n")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	if !head {
		w.Write(body)
	}
}

const (
	xmlType = "application/xml; charset=utf-8"
	xmlHead = `<?xml version="1.0" encoding="utf-8"?>` + "\n"
)
