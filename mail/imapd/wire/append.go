package wire

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// AppendUint appends a number.
func AppendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// maxQuoted is the longest string that is quoted; longer ones are literals.
const maxQuoted = 1000

// AppendString appends a string: quoted where that is possible, else a literal.
// With utf8ok UTF-8 may be quoted (RFC 6855, RFC 9051).
func AppendString(dst []byte, s string, utf8ok bool) []byte {
	quote := len(s) <= maxQuoted
	ascii := true
	for i := 0; i < len(s) && quote; i++ {
		switch c := s[i]; {
		case c == '\r' || c == '\n' || c == 0:
			quote = false
		case c >= 0x80:
			ascii = false
		}
	}
	if !ascii && (!utf8ok || !utf8.ValidString(s)) {
		quote = false
	}
	if !quote {
		dst = AppendLiteralHead(dst, int64(len(s)))
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// AppendNString appends a string, or NIL for an empty one.
func AppendNString(dst []byte, s string, utf8ok bool) []byte {
	if s == "" {
		return append(dst, "NIL"...)
	}
	return AppendString(dst, s, utf8ok)
}

// AppendLiteralHead appends {n} CRLF.
func AppendLiteralHead(dst []byte, n int64) []byte {
	dst = append(dst, '{')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '}', '\r', '\n')
}

// AppendAString appends a string, as an atom where that is possible.
func AppendAString(dst []byte, s string, utf8ok bool) []byte {
	if s == "" || len(s) > maxQuoted {
		return AppendString(dst, s, utf8ok)
	}
	for i := 0; i < len(s); i++ {
		if !isAtom(s[i]) {
			return AppendString(dst, s, utf8ok)
		}
	}
	if len(s) == 3 && (s[0]|0x20) == 'n' && (s[1]|0x20) == 'i' && (s[2]|0x20) == 'l' {
		return AppendString(dst, s, utf8ok)
	}
	return append(dst, s...)
}

// AppendMailbox appends a mailbox name: in modified UTF-7, or with utf8ok in UTF-8.
func AppendMailbox(dst []byte, name string, utf8ok bool) []byte {
	if utf8ok {
		return AppendAString(dst, name, true)
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c == '&' || c < 0x20 || c > 0x7e {
			return AppendAString(dst, string(AppendUTF7(nil, name)), false)
		}
	}
	return AppendAString(dst, name, false)
}

// AppendFlags appends a list of flags with its parentheses.
func AppendFlags(dst []byte, flags []imap.Flag) []byte {
	dst = append(dst, '(')
	for i, f := range flags {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, f...)
	}
	return append(dst, ')')
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendDateTime appends a date-time with its quotes: "17-Jul-1996 02:44:25 -0700".
func AppendDateTime(dst []byte, t time.Time) []byte {
	_, zone := t.Zone()
	return AppendUnix(dst, t.Unix(), zone)
}

// AppendUnix appends a moment in Unix seconds as it is read zone seconds east
// of UTC. It needs no time.Time and no allocation.
func AppendUnix(dst []byte, unix int64, zone int) []byte {
	local := unix + int64(zone)
	days := local / 86400
	secs := local % 86400
	if secs < 0 {
		secs += 86400
		days--
	}
	y, m, d := civil(days)
	dst = append(dst, '"')
	if d < 10 {
		dst = append(dst, ' ', byte('0'+d))
	} else {
		dst = append2(dst, d)
	}
	dst = append(dst, '-')
	dst = append(dst, months[3*m-3:3*m]...)
	dst = append(dst, '-')
	dst = append2(append2(dst, y/100%100), y%100)
	dst = append2(append(dst, ' '), int(secs/3600))
	dst = append2(append(dst, ':'), int(secs/60%60))
	dst = append2(append(dst, ':'), int(secs%60))
	dst = append(dst, ' ')
	if zone < 0 {
		dst = append(dst, '-')
		zone = -zone
	} else {
		dst = append(dst, '+')
	}
	zone /= 60
	dst = append2(append2(dst, zone/60%100), zone%60)
	return append(dst, '"')
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// civil turns days since 1970 into a date (the proleptic Gregorian calendar).
func civil(days int64) (y, m, d int) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	if m > 12 {
		m -= 12
	}
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return max(y, 0), m, d
}
