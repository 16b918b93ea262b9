package smtpclient

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Reply is an answer of the server, RFC 5321 §4.2.
type Reply struct {
	Code   int    // three digits, the first 2 to 5
	Status string // enhanced status code (RFC 2034), "" where there is none
	Text   string // its lines, joined by blanks
	Lines  []string
}

// Ok tells whether the command succeeded.
func (r Reply) Ok() bool { return r.Code/100 == 2 }

// Temporary tells whether the failure may pass.
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

func (r Reply) String() string {
	if r.Status != "" {
		return fmt.Sprintf("%d %s %s", r.Code, r.Status, r.Text)
	}
	return fmt.Sprintf("%d %s", r.Code, r.Text)
}

// Bounds of a reply.
const (
	maxLine  = 2048 // bytes of a line, the rest is read and not kept (RFC 5321 §4.5.3.1.5: 512)
	maxLines = 256
	maxWaste = 64 << 10 // bytes of a line at all
)

// errReply means that what came is no reply.
var errReply = errors.New("the server does not speak SMTP")

// readReply reads one reply, of one line or more.
func readReply(r *bufio.Reader) (Reply, error) {
	var out Reply
	for n := 0; ; n++ {
		if n == maxLines {
			return out, fmt.Errorf("%w: endless reply", errReply)
		}
		line, err := readLine(r)
		if err != nil {
			return out, err
		}
		code, more, text, ok := parseLine(line)
		if !ok || n > 0 && code != out.Code {
			return out, fmt.Errorf("%w: %.80q", errReply, line)
		}
		out.Code = code
		status, rest := cutStatus(code, text)
		if n == 0 {
			out.Status = status
		}
		if status == out.Status {
			text = rest
		}
		out.Lines = append(out.Lines, clean(text))
		if !more {
			break
		}
	}
	out.Text = strings.TrimSpace(strings.Join(out.Lines, " "))
	return out, nil
}

// readLine reads a line without its end; what is too long of it is left out.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for waste := 0; ; {
		part, err := r.ReadSlice('\n')
		if room := maxLine - len(line); room > 0 {
			line = append(line, part[:min(room, len(part))]...)
		}
		if waste += len(part); waste > maxWaste {
			return "", fmt.Errorf("%w: endless line", errReply)
		}
		switch {
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		default:
			return "", err
		}
	}
}

// parseLine reads "250-text".
func parseLine(line string) (code int, more bool, text string, ok bool) {
	if len(line) < 3 {
		return 0, false, "", false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, false, "", false
		}
		code = code*10 + int(line[i]-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, "", false
	}
	if len(line) == 3 {
		return code, false, "", true
	}
	switch line[3] {
	case '-':
		return code, true, line[4:], true
	case ' ':
		return code, false, line[4:], true
	}
	return 0, false, "", false
}

// cutStatus takes the enhanced status code off a reply's text, RFC 2034 §4: its
// class is that of the code.
func cutStatus(code int, text string) (status, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || parts[0][0] != byte('0'+code/100) {
		return "", text
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", text
		}
	}
	return word, rest
}

// clean takes control characters and broken UTF-8 out of what a server says.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
