package query

import (
	"encoding/binary"
	"slices"

	"atrium/contacts/card"
)

// A digest is what filters look at in a card, laid out so that what a filter
// does not ask for is stepped over. Its bytes: a version, then each property as its length, name,
// group, whether its value was left out, number of parameters, these, value. What has a length has it in front.

const digestVersion = 1

// bulky are the properties that make a card large and whose values filters hardly ever ask for:
// a digest has them without value.
var bulky = []string{"PHOTO", "LOGO", "SOUND", "KEY"}

// Digest makes a card's digest.
func Digest(c *card.Card) []byte {
	out := []byte{digestVersion}
	var one []byte
	for i := range c.Props {
		p := &c.Props[i]
		one = appendString(one[:0], p.Name)
		one = appendString(one, p.Group)
		value, left := p.Value, byte(0)
		if slices.Contains(bulky, p.Name) {
			value, left = "", 1
		}
		one = append(one, left)
		one = binary.AppendUvarint(one, uint64(len(p.Params)))
		for k := range p.Params {
			one = appendString(one, p.Params[k].Name)
			one = binary.AppendUvarint(one, uint64(len(p.Params[k].Values)))
			for _, v := range p.Params[k].Values {
				one = appendString(one, v)
			}
		}
		one = appendString(one, value)
		out = append(binary.AppendUvarint(out, uint64(len(one))), one...)
	}
	return out
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// digest reads one. After a failure it is bad and yields nothing.
type digest struct {
	b   []byte
	bad bool
}

func (d *digest) uint() int {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		n := int(d.b[0])
		d.b = d.b[1:]
		return n
	}
	n, k := binary.Uvarint(d.b)
	if k <= 0 || n > uint64(len(d.b)) { // nothing is longer or more than what is left
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[k:]
	return int(n)
}

func (d *digest) bytes(n int) []byte {
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// next steps to the next property: its name, and the reader of the rest.
func (d *digest) next() (name []byte, rest digest, ok bool) {
	if len(d.b) == 0 {
		return nil, rest, false
	}
	rest.b = d.bytes(d.uint())
	name = rest.bytes(rest.uint())
	d.bad = d.bad || rest.bad
	return name, rest, !d.bad
}

// property reads what follows a name into p, whose memory it uses again.
func (d *digest) property(p *card.Prop) (left bool) {
	p.Group = string(d.bytes(d.uint()))
	left = d.uint() == 1
	p.Params = p.Params[:0]
	for range d.uint() {
		q := card.Param{Name: string(d.bytes(d.uint()))}
		for range d.uint() {
			q.Values = append(q.Values, string(d.bytes(d.uint())))
			if d.bad {
				return left
			}
		}
		if d.bad {
			return left
		}
		p.Params = append(p.Params, q)
	}
	p.Value = string(d.bytes(d.uint()))
	return left
}

// skim is property without the parameters: the value's octets as they are.
func (d *digest) skim() (group, value []byte, left bool) {
	group = d.bytes(d.uint())
	left = d.uint() == 1
	for range d.uint() {
		d.bytes(d.uint())
		for range d.uint() {
			d.bytes(d.uint())
			if d.bad {
				return nil, nil, left
			}
		}
	}
	return group, d.bytes(d.uint()), left
}
