package message

import (
	"io"
	"iter"
	"time"
)

// Limits of what one message may cost. Beyond them the rest of the message
// belongs to the part that was last opened.
const (
	MaxParts     = 10100     // parts in all
	MaxDepth     = 128       // multiparts and message/rfc822 within each other
	MaxStructure = 640 << 10 // bytes of ENVELOPE and BODYSTRUCTURE
	MaxField     = 256 << 10 // bytes of one header field that are looked at
)

// Parse reads the message of size bytes in r. The error is r's: no message is
// too bad to parse.
func Parse(r io.ReaderAt, size int64) (*Message, error) { panic("stub") }

// Message is what Parse found.
type Message struct {
	Root  *Part
	Size  int64 // bytes
	Parts int   // in the tree, Root included
}

// Index returns the record to be kept; see OpenIndex. It is made once.
func (m *Message) Index() []byte { panic("stub") }

// Signature returns the message's search signature, a few hundred bytes to
// 16 KiB, to be kept beside the Index. It is made once.
func (m *Message) Signature() Signature { panic("stub") }

// Part is one node of the tree: the message itself, a part of a
// multipart, or the message in a message/rfc822.
type Part struct {
	Header, Body, End int64   // offsets of header, body and what follows; header and body touch
	Lines             int64   // of the body
	Type, Subtype     string  // in lower case; text/plain when the header says nothing
	Params            []Param // of Content-Type, decoded by RFC 2231
	Encoding          string  // Content-Transfer-Encoding in lower case, "7bit" when absent
	Disposition       string  // in lower case, "" when absent
	DispositionParams []Param
	ID, Description   string    // as they stand in the header
	Envelope          *Envelope // of the message itself and of the child of a message/rfc822; nil else
	Children          []*Part   // of a multipart its parts; of a message/rfc822 one, the message in it
}

// Param returns a parameter of the Content-Type, decoded, "" when absent.
func (p *Part) Param(name string) string { panic("stub") }

// Filename returns the decoded name that the sender gave the part, "" when none.
func (p *Part) Filename() string { panic("stub") }

// Reader returns the part's body, its transfer encoding undone.
func (p *Part) Reader(r io.ReaderAt) io.Reader { panic("stub") }

// Param is a parameter of Content-Type or Content-Disposition.
type Param struct{ Name, Value string } // Name in lower case

// Envelope has the fields of the IMAP envelope (RFC 9051 §7.5.2), as they stand
// in the header, unfolded.
type Envelope struct {
	Date, Subject                      string
	From, Sender, ReplyTo, To, Cc, Bcc []Address
	InReplyTo, MessageID               string
}

// Address is a mailbox. A group (RFC 5322 §3.4) begins with an Address whose
// Host is empty and whose Mailbox is the group's name, and ends with one where
// both are empty.
type Address struct {
	Name    string // display name or comment, without quotes, not decoded (see Decode)
	Route   string // obsolete source route
	Mailbox string // local part, without quotes
	Host    string // domain
}

// IsGroup tells whether a begins or ends a group.
func (a Address) IsGroup() bool { panic("stub") }

// Addr returns local@domain, the local part quoted where it needs to be.
func (a Address) Addr() string { panic("stub") }

// ParseAddresses reads an address list (RFC 5322 §3.4, §4.4). What cannot be read
// becomes an Address with as much as there is.
func ParseAddresses(field []byte) []Address { panic("stub") }

// ParseDate reads a date (RFC 5322 §3.3, §4.3) and what else stands in Date fields.
func ParseDate(field []byte) (time.Time, bool) { panic("stub") }

// Decode returns a header field's value as UTF-8: unfolded, with its encoded words
// (RFC 2047) decoded, and 8-bit data that is not UTF-8 taken as Windows-1252.
func Decode(value []byte) string { panic("stub") }

// AppendDecoded appends what Decode returns.
func AppendDecoded(dst, value []byte) []byte { panic("stub") }

// Fields yields the fields of a header (everything before the body): name as
// it stands there, and value, still folded, without the last line end. raw is
// the whole field with its line end.
func Fields(header []byte) iter.Seq[Field] { panic("stub") }

// Field is one header field.
type Field struct {
	Raw   []byte // all of it, its line end included
	Name  []byte // nil when the line is no field
	Value []byte // folded as it is, without leading blanks and the last line end
}

// HeaderField returns the value of the first field of that name, unfolded, not decoded.
func HeaderField(header []byte, name string) (value []byte, ok bool) { panic("stub") }

// AppendField appends "Name: value" CRLF, folded at blanks to 78 columns where that is
// possible and encoded by RFC 2047 where value is not ASCII. CR, LF and NUL in value become blanks.
func AppendField(dst []byte, name, value string) []byte { panic("stub") }

// Index is an opened index record. Its methods do not allocate; what they return
// lies in the record.
type Index struct{ rec []byte }

// OpenIndex opens a record made by Message.Index. Its error means that the
// record is damaged or newer than this program.
func OpenIndex(rec []byte) (Index, error) { panic("stub") }

// Size is RFC822.SIZE, HeaderSize the size of its header with the empty line.
func (x Index) Size() int64       { panic("stub") }
func (x Index) HeaderSize() int64 { panic("stub") }

// Envelope is the text of ENVELOPE, BodyStructure that of BODYSTRUCTURE (RFC
// 9051 §7.5.2), both with their parentheses. 8-bit data is in literals.
func (x Index) Envelope() []byte      { panic("stub") }
func (x Index) BodyStructure() []byte { panic("stub") }

// AppendBody appends the text of BODY: BodyStructure without extension data.
func (x Index) AppendBody(dst []byte) []byte { panic("stub") }

// Preview is the text of PREVIEW (RFC 8970): at most 200 characters of UTF-8 in one line.
func (x Index) Preview() []byte { panic("stub") }

// Sent is the moment in the Date field in Unix seconds, with its zone in seconds east
// of UTC; ok is false when there is no date to be understood.
func (x Index) Sent() (unix int64, zone int, ok bool) { panic("stub") }

// MessageID is the Message-ID without brackets, empty when there is none.
// References yields the message's ancestors, oldest first: References, or the first id in
// In-Reply-To (RFC 5256 §3).
func (x Index) MessageID() []byte            { panic("stub") }
func (x Index) References() iter.Seq[[]byte] { panic("stub") }

// BaseSubject is the base subject (RFC 5256 §2.1), decoded and folded by i;unicode-casemap, so that
// it compares by octets. IsReply tells whether something was taken from it that makes it
// a reply or forward.
func (x Index) BaseSubject() []byte { panic("stub") }
func (x Index) IsReply() bool       { panic("stub") }

// SortFrom, SortTo and SortCc are the sort keys of RFC 5256 (local part of the first
// address), DisplayFrom and DisplayTo those of RFC 5957; all folded as BaseSubject is.
func (x Index) SortFrom() []byte    { panic("stub") }
func (x Index) SortTo() []byte      { panic("stub") }
func (x Index) SortCc() []byte      { panic("stub") }
func (x Index) DisplayFrom() []byte { panic("stub") }
func (x Index) DisplayTo() []byte   { panic("stub") }

// Matches tells whether the envelope's field name (Subject, From, To, Cc, Bcc), decoded, contains
// what m looks for: SEARCH's keys of those names. known is false when the Index
// does not hold that field whole.
func (x Index) Matches(name string, m *Matcher) (match, known bool) { panic("stub") }

// Parts yields all parts in the order in which they stand in the message.
func (x Index) Parts() iter.Seq[PartInfo] { panic("stub") }

// Part returns the part with that number (RFC 9051 §6.4.5.1); with none, the message itself.
func (x Index) Part(path []uint32) (PartInfo, bool) { panic("stub") }

// PartInfo is a part as the Index has it.
type PartInfo struct {
	Header, Body, End int64
	Kind              Kind
	Encoding          Encoding
	Charset           []byte // of a text part, in lower case; empty when not given
	Depth             int    // 0 is the message
}

// Kind is what matters of a part's type.
type Kind byte

const (
	Other Kind = iota
	TextPlain
	TextHTML
	TextOther
	TextCalendar
	Multipart
	Embedded // message/rfc822 and message/global
)

// Encoding is a content transfer encoding.
type Encoding byte

const (
	Identity Encoding = iota // 7bit, 8bit, binary
	Base64
	QuotedPrintable
	UUEncode
	Unknown
)

// Section is what stands between the brackets of BODY[...] (RFC 9051 §6.4.5).
type Section struct {
	Path   []uint32
	What   What
	Fields []string // of HeaderFields and HeaderFieldsNot
}

// What is the last word of a section.
type What byte

const (
	All What = iota // BODY[] or BODY[1.2]
	Header
	HeaderFields
	HeaderFieldsNot
	Text
	MIME
)

// Content is the bytes of a section, before they are read.
type Content struct{ size int64 }

// Content finds a section. r is read for HeaderFields and HeaderFieldsNot only (where it must hold the
// message), else when the Content is written. ok is false when the message has no such part: FETCH then says NIL.
func (x Index) Content(r io.ReaderAt, s *Section) (c Content, ok bool, err error) { panic("stub") }

// Size is how many bytes WriteTo writes.
func (c *Content) Size() int64 { panic("stub") }

// Cut makes c the n bytes from offset off on, or as many of them as there are: BODY[...]<off.n>.
func (c *Content) Cut(off, n int64) { panic("stub") }

// WriteTo writes the bytes.
func (c *Content) WriteTo(w io.Writer) (int64, error) { panic("stub") }

// Append appends the bytes to dst.
func (c *Content) Append(dst []byte) ([]byte, error) { panic("stub") }

// Binary returns the decoded body of a part (RFC 3516); BINARY[] of the
// message itself is its stored bytes. ok is false when there is no such part, the error
// is UnknownEncoding when it cannot be decoded.
func (x Index) Binary(r io.ReaderAt, path []uint32) (body io.Reader, ok bool, err error) {
	panic("stub")
}

// BinarySize counts what Binary reads.
func (x Index) BinarySize(r io.ReaderAt, path []uint32) (n int64, ok bool, err error) { panic("stub") }

// Scope is a part of the decoded text.
type Scope byte

const (
	InHeader Scope = 1 << iota // the message's own header
	InBody                     // everything else, headers of parts included
	Anywhere = InHeader | InBody
)

// Text streams the decoded text: each field of the headers, the text of
// each text part. name is the field's name, empty in a body. more is false for the first
// chunk of a field or part. It ends early when fn returns false.
func (x Index) Text(r io.ReaderAt, in Scope, fn func(name, chunk []byte, more bool) bool) error {
	panic("stub")
}

// Search tells whether the decoded text has what m looks for. sig may be nil.
func (x Index) Search(r io.ReaderAt, in Scope, m *Matcher) (bool, error) { panic("stub") }

// SearchHeader tells whether a field of that name in the message's own header has
// what m looks for, decoded (SEARCH HEADER); an empty needle matches if the field is there.
func (x Index) SearchHeader(r io.ReaderAt, name string, m *Matcher) (bool, error) { panic("stub") }

// Matcher looks for one string by i;unicode-casemap (RFC 5051). It is for one goroutine.
type Matcher struct{ needle []byte }

// NewMatcher makes a Matcher for a string in UTF-8.
func NewMatcher(needle string) *Matcher { panic("stub") }

// Reset begins a new text; Write takes a chunk of it and tells whether the string was found in this text.
func (m *Matcher) Reset()                  { panic("stub") }
func (m *Matcher) Write(chunk []byte) bool { panic("stub") }

// Match tells whether text contains the string.
func (m *Matcher) Match(text []byte) bool { panic("stub") }

// MayMatch tells whether a message with that signature can contain the string; false is sure.
func (m *Matcher) MayMatch(s Signature, in Scope) bool { panic("stub") }

// Signature is a set of the three-letter sequences of a message's decoded text.
type Signature []byte

// MayContain is Matcher.MayMatch for one needle.
func (s Signature) MayContain(in Scope, needle string) bool { panic("stub") }

// AppendFolded appends text folded by i;unicode-casemap (RFC 5051).
func AppendFolded(dst, text []byte) []byte { panic("stub") }

// Fault is a class of failure.
type Fault string

func (f Fault) Error() string { return string(f) }

const (
	// UnknownEncoding means that a part's transfer encoding is none that can be undone.
	UnknownEncoding Fault = "unknown transfer encoding"
	// BadIndex means that a record is no Index of a version known here.
	BadIndex Fault = "index record unreadable"
)
