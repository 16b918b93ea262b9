package message

// textStream turns the stored octets of a text part into text in UTF-8:
// it undoes the transfer encoding, then the charset, then HTML.
type textStream struct {
	sink     func(text []byte) bool // gets the text; false says that it needs no more
	transfer transfer
	charset  charset
	html     htmlText
	isHTML   bool
	done     bool
	a, b, c  []byte // what the steps make
}

func (s *textStream) reset(kind Kind, enc Encoding, charset string) {
	s.transfer.reset(enc)
	s.charset.reset(charset)
	s.isHTML, s.done = kind == TextHTML, false
	s.html.reset()
}

// write takes the next octets; false says that no more are needed.
func (s *textStream) write(raw []byte) bool {
	const step = 16 << 10 // bounds the memory of the steps
	for len(raw) > 0 && !s.done {
		n := min(len(raw), step)
		t := s.transfer.decode(s.a[:0], raw[:n])
		if s.transfer.enc != Identity && s.transfer.enc != Unknown { // else t is raw itself
			s.a = t
		}
		s.text(t, false)
		raw = raw[n:]
	}
	return !s.done
}

// flush ends the text.
func (s *textStream) flush() {
	if s.done {
		return
	}
	s.a = s.transfer.flush(s.a[:0])
	s.text(s.a, true)
	if s.isHTML && !s.done {
		s.c = s.html.flush(s.c[:0])
		s.emit(s.c)
	}
}

func (s *textStream) text(t []byte, last bool) {
	if len(t) == 0 && len(s.charset.hold) == 0 {
		return
	}
	if !s.charset.plain(t) {
		s.b = s.charset.decode(s.b[:0], t, last)
		t = s.b
	}
	if s.isHTML {
		s.c = s.html.decode(s.c[:0], t)
		t = s.c
	}
	s.emit(t)
}

func (s *textStream) emit(t []byte) {
	if len(t) > 0 && !s.sink(t) {
		s.done = true
	}
}
