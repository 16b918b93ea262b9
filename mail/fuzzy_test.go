package mail

import (
	"testing"

	"atrium/mail/message"
)

func TestLooseMatcher(t *testing.T) {
	for _, tc := range []struct {
		needle, text string
		match        bool
		score        int
	}{
		{"hello", "Say hello!", true, 100},
		{"hello", "Say HELLO!", true, 100},
		{"hell", "Say hello!", true, 80},
		{"ello", "Say hello!", true, 60},
		{"helo", "Say hello!", true, 40},
		{"hlelo", "Say hello!", true, 40},
		{"hekko", "Say hello!", false, 0},
		{"helloa", "Say hello!", true, 40},
		{"cat", "car", false, 0},
		{"imap break", "IMAP break", true, 100},
		{"imap break", "break, imap", true, 90},
		{"imap break", "broken imap", false, 0},
		{"implementaton", "an implementation", true, 40},
		{"implementtaon", "an implementation", true, 20},
		{"résumé", "my resume", true, 100},
		{"resume", "my résumé", true, 100},
		{"@example", "bob@example.org", true, 100},
		{"???", "what???", true, 60},
		{"???", "what", false, 0},
		{"会議", "明日の会議は", true, 60},
		{"", "x", true, 60},
	} {
		m := newLooseMatcher(tc.needle)
		for cut := range len(tc.text) {
			m.reset()
			if tc.text[cut]&0xc0 == 0x80 {
				continue // chunks end between characters
			}
			m.write([]byte(tc.text[:cut]), true, 100)
			m.write([]byte(tc.text[cut:]), false, 100)
			m.endWord()
			if got := m.matches(); got != tc.match {
				t.Errorf("%q in %q cut at %d: %v", tc.needle, tc.text, cut, got)
			} else if got && m.score() != tc.score {
				t.Errorf("%q in %q cut at %d: score %d, want %d", tc.needle, tc.text, cut, m.score(), tc.score)
			}
		}
	}
}

// TestTypos compares with the recursive definition.
func TestTypos(t *testing.T) {
	var slow func(a, b []rune) int
	slow = func(a, b []rune) int {
		if len(a) == 0 || len(b) == 0 {
			return len(a) + len(b)
		}
		i, j := len(a)-1, len(b)-1
		d := min(slow(a[:i], b)+1, slow(a, b[:j])+1)
		if a[i] == b[j] {
			d = min(d, slow(a[:i], b[:j]))
		} else {
			d = min(d, slow(a[:i], b[:j])+1)
		}
		if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
			d = min(d, slow(a[:i-1], b[:j-1])+1)
		}
		return d
	}
	words := []string{"", "a", "ab", "ba", "abc", "acb", "bac", "cab", "abcd", "abdc", "bacd", "xabc", "aabb", "abab"}
	for _, a := range words {
		for _, b := range words {
			for limit := range 4 {
				want := min(slow([]rune(a), []rune(b)), limit+1)
				if got := typos([]rune(a), []rune(b), limit); got != want {
					t.Errorf("%q %q up to %d: %d, want %d", a, b, limit, got, want)
				}
			}
		}
	}
}

// FuzzLooseMatcher: what contains a string matches it, whatever both are and wherever the chunks end.
func FuzzLooseMatcher(f *testing.F) {
	f.Add("helo", "say hello", 3)
	f.Add("résumé x", "my resume\xff\x00", 1)
	f.Fuzz(func(t *testing.T, needle, text string, cut int) {
		if len(needle) > 1000 || len(text) > 10000 || cut < 0 || cut > len(text) {
			return
		}
		m := newLooseMatcher(needle)
		m.reset()
		m.write([]byte(text[:cut]), true, 70)
		m.write([]byte(text[cut:]), false, 70)
		m.endWord()
		if !m.matches() && message.NewMatcher(needle).Match([]byte(text)) && cut == 0 {
			t.Errorf("%q is in %q", needle, text)
		}
		if s := m.score(); s < 0 || s > 100 {
			t.Errorf("score %d", s)
		}
	})
}
