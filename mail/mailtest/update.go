package mailtest

import (
	"strconv"
	"strings"
)

// rewrite plays a script, taking for the server's lines what comes, and
// returns the script with those lines. A line that matches stays as it is written.
func (p *player) rewrite(script string, lines []line) (string, error) {
	text := strings.Split(script, "\n")
	drop := map[int]bool{}
	add := map[int][]string{} // after this line of the script
	for i := 0; i < len(lines); {
		l := lines[i]
		if l.mark != "S" && l.mark != "~S" && l.mark != "!S" {
			n, err := p.step(lines[i:])
			if err != nil {
				return "", err
			}
			i += n
			continue
		}
		end := i
		for end < len(lines) && lines[end].conn == l.conn && strings.HasSuffix(lines[end].mark, "S") && lines[end].bad == "" {
			end++
		}
		c, err := p.open(l.conn)
		if err != nil {
			return "", err
		}
		p.rewriteBlock(c, lines[i:end], text, drop, add)
		i = end
	}
	var out []string
	for i, s := range text {
		if !drop[i+1] {
			out = append(out, s)
		}
		out = append(out, add[i+1]...)
	}
	return strings.Join(out, "\n"), nil
}

// rewriteBlock reads what comes until silence and notes the changes to a block of S lines.
func (p *player) rewriteBlock(c *peer, block []line, text []string, drop map[int]bool, add map[int][]string) {
	at := 0
	after := block[0].no - 1
	indent := text[after][:len(text[after])-len(strings.TrimLeft(text[after], " \t"))]
	mark := "S: "
	if block[0].conn != 1 {
		mark = strconv.Itoa(block[0].conn) + mark
	}
	for {
		s, err := c.next(3 * p.Quiet)
		if err != nil {
			break
		}
		hit := -1
		for j := at; j < len(block) && hit < 0; j++ {
			if block[j].mark == "!S" || block[j].text == "..." {
				continue
			}
			if _, k := p.find(block[j:j+1], s); k >= 0 {
				hit = j
			}
		}
		if hit < 0 {
			skipping := at < len(block) && block[at].text == "..."
			if !skipping {
				add[after] = append(add[after], indent+mark+strings.ReplaceAll(s, "$", "$$"))
			}
			continue
		}
		for ; at < hit; at++ {
			if block[at].mark != "!S" && block[at].text != "..." && block[at].mark != "~S" {
				drop[block[at].no] = true
			}
		}
		after, at = block[hit].no, hit+1
	}
	for ; at < len(block); at++ {
		if block[at].mark != "!S" {
			drop[block[at].no] = true
		}
	}
}
