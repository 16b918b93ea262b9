package dav

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// compressFrom is the size in bytes of an answer from which on it is worth compressing.
const compressFrom = 2 << 10

// compressed is the server for requests whose answers are long and XML: PROPFIND and REPORT. What GET returns is not
// compressed, since its strong ETag is one of its octets.
func (s *Server) compressed() http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(false),
		gzhttp.ContentTypeFilter(func(t string) bool { return strings.HasPrefix(t, "application/xml") || strings.HasPrefix(t, "text/") }))
	if err != nil {
		panic(err) // a mistake in the program
	}
	return wrap(http.HandlerFunc(s.answer))
}

// mayCompress tells whether an answer to a request may be compressed.
func mayCompress(r *http.Request) bool {
	return (r.Method == "PROPFIND" || r.Method == "REPORT") && r.Header.Get("Accept-Encoding") != ""
}

// decode takes off the coding of a request's body: gzip, whose octets count as what they unpack to.
func (rq *Request) decode() error {
	switch enc := strings.ToLower(strings.TrimSpace(strings.Join(rq.Header["Content-Encoding"], ","))); enc {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		rq.Body = &gzipBody{from: rq.Body}
		rq.ContentLength = -1
		return nil
	}
	return &Error{Status: http.StatusUnsupportedMediaType, Header: http.Header{"Accept-Encoding": {"gzip, identity"}},
		Text: "this Content-Encoding is not known"} // RFC 9110 §15.5.16
}

// gzipBody unpacks a body while it is read. What reads it bounds it, as any other.
type gzipBody struct {
	from io.ReadCloser
	zip  *gzip.Reader
	err  error
}

func (b *gzipBody) Read(p []byte) (n int, err error) {
	if b.zip == nil && b.err == nil {
		b.zip, b.err = gzip.NewReader(b.from)
		b.fail()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, b.err = b.zip.Read(p)
	b.fail()
	return n, b.err
}

// fail puts what is no gzip into HTTP's words.
func (b *gzipBody) fail() {
	if errors.Is(b.err, gzip.ErrHeader) || errors.Is(b.err, gzip.ErrChecksum) || b.err != nil && strings.HasPrefix(b.err.Error(), "flate:") {
		b.err = &Error{Status: http.StatusBadRequest, Text: "the body is not gzip", Err: b.err}
	}
}

func (b *gzipBody) Close() error { return b.from.Close() }
