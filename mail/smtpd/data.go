package smtpd

import (
	"bytes"
	"io"
)

// unstuffer takes the content out of what follows 354, RFC 5321 §4.5.2: the dot
// that begins a line goes, and the line with a dot alone ends it. Nothing but
// CR LF begins or ends a line (§2.3.8, §4.1.1.4): what others take for an end
// of data ("LF . LF" and its like) is content here, and makes the message one
// to be refused.
//
// Memory does not depend on the length of lines or message.
type unstuffer struct {
	at    position
	last  byte // the last byte taken
	crs   int64
	lfs   int64
	loose bool // a LF came without CR
}

// position is where in a line the next byte goes.
type position byte

const (
	lineStart position = iota // after CR LF, and at the beginning
	afterDot                  // after the dot that began the line, which is not content
	afterDotCR
	inLine
)

// take consumes input up to the end of data, or all of p, and writes the
// content in it to w in pieces as large as can be. It tells how much of p it
// took and whether the end has come. Failures of w are w's to remember.
func (u *unstuffer) take(w io.Writer, p []byte) (n int, end bool) {
	i, from := 0, 0 // p[from:i] is content not yet written
loop:
	for i < len(p) {
		switch u.at {
		case lineStart:
			if p[i] == '.' {
				if i > from {
					w.Write(p[from:i])
				}
				i++
				from = i
				u.last, u.at = '.', afterDot
				continue
			}
			u.at = inLine
		case afterDot:
			if p[i] == '\r' {
				i++
				u.last, u.at = '\r', afterDotCR
				continue
			}
			u.at = inLine
		case afterDotCR:
			if p[i] == '\n' {
				i++
				from = i
				end = true
				break loop
			}
			u.at = inLine // a CR alone, content that makes the message refused
		case inLine:
			k := bytes.IndexByte(p[i:], '\n')
			if k < 0 {
				i = len(p)
				u.last = p[i-1]
				break loop
			}
			if k > 0 {
				u.last = p[i+k-1]
			}
			i += k + 1
			u.lfs++
			if u.last == '\r' {
				u.at = lineStart
			} else {
				u.loose = true
			}
			u.last = '\n'
		}
	}
	if end {
		u.lfs++
	}
	u.crs += int64(bytes.Count(p[:i], crByte))
	if i > from && !(u.at == afterDotCR) {
		w.Write(p[from:i])
	}
	return i, end
}

var crByte = []byte{'\r'}

// strict tells, at the end, whether every CR and LF was part of a CR LF.
func (u *unstuffer) strict() bool { return !u.loose && u.crs == u.lfs }

// lineChecker tells whether every CR and LF of what BDAT brought is part of a
// CR LF, RFC 3030 §2 with RFC 5321 §2.3.8.
type lineChecker struct {
	last     byte
	crs, lfs int64
	loose    bool
}

func (l *lineChecker) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for i := 0; ; {
		k := bytes.IndexByte(p[i:], '\n')
		if k < 0 {
			break
		}
		i += k + 1
		l.lfs++
		if before := i - 2; before >= 0 && p[before] != '\r' || before < 0 && l.last != '\r' {
			l.loose = true
		}
	}
	l.crs += int64(bytes.Count(p, crByte))
	l.last = p[len(p)-1]
	return len(p), nil
}

func (l *lineChecker) strict() bool { return !l.loose && l.crs == l.lfs }
