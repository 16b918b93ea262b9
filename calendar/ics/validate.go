package ics

import (
	"bytes"
	"fmt"
	"strings"
)

// single are the properties that a component may have only once and whose
// doubling would leave its meaning open (RFC 5545 §3.6).
var single = map[string]bool{
	"UID": true, "DTSTART": true, "DTEND": true, "DUE": true, "DURATION": true, "RECURRENCE-ID": true, "DTSTAMP": true,
	"ORGANIZER": true, "SEQUENCE": true, "STATUS": true, "TRANSP": true, "COMPLETED": true, "CREATED": true,
}

// Validate says whether c may be stored as a calendar object resource: RFC
// 4791 §4.1 and §5.3.2.1. It returns the kind of component that c holds. Its
// errors are *Error with ValidData or ValidObject.
func Validate(c *Calendar) (component string, err error) {
	if i := strings.IndexFunc(c.Source, control); i >= 0 {
		return "", &Error{Condition: ValidData, Line: 1 + strings.Count(c.Source[:i], "\n"), Text: fmt.Sprintf("a control character, %#02x", c.Source[i])}
	}
	if v := strings.TrimSpace(c.Value("VERSION")); v != "2.0" && c.Prop("VERSION") != nil {
		return "", propError(c.Prop("VERSION"), "version %.20q is not 2.0", v)
	}
	if p := c.Prop("CALSCALE"); p != nil && !strings.EqualFold(strings.TrimSpace(p.Value), "GREGORIAN") {
		return "", propError(p, "calendar scale %.20q is not GREGORIAN", p.Value)
	}
	if p := c.Prop("METHOD"); p != nil {
		return "", &Error{Condition: ValidObject, Line: p.Line, Text: "an object with a METHOD is a message"}
	}
	main := c.Main()
	if len(main) == 0 {
		return "", &Error{Condition: ValidObject, Text: "no event, task or note in it"}
	}
	component, uid := main[0].Name, ""
	seen := make(map[string]bool, len(main))
	for _, k := range main {
		if err := validateOne(k); err != nil {
			return "", err
		}
		if k.Name != component {
			return "", &Error{Condition: ValidObject, Line: k.Line, Text: component + " and " + k.Name + " in one object"}
		}
		p := k.Prop("UID")
		if p == nil || strings.TrimSpace(p.Value) == "" {
			return "", &Error{Condition: ValidObject, Line: k.Line, Text: k.Name + " without UID"}
		}
		if uid == "" {
			uid = p.Value
		}
		if p.Value != uid {
			return "", &Error{Condition: ValidObject, Line: p.Line, Text: "two UIDs in one object"}
		}
		id := recurrenceKey(k)
		if seen[id] {
			return "", &Error{Condition: ValidObject, Line: k.Line, Text: "two components for one instance"}
		}
		seen[id] = true
	}
	return component, nil
}

// control tells what RFC 5545 §3.1 keeps out of content lines; XML could not carry it either.
func control(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }

// WithoutControls returns text without the characters that Validate refuses.
func WithoutControls(text []byte) []byte {
	if !bytes.ContainsFunc(text, control) {
		return text
	}
	return bytes.Map(func(r rune) rune {
		if control(r) {
			return -1
		}
		return r
	}, text)
}

// recurrenceKey tells the components of one UID apart; "" is the master.
func recurrenceKey(k *Component) string {
	p := k.Prop("RECURRENCE-ID")
	if p == nil {
		return ""
	}
	zone, _ := p.Param("TZID")
	return strings.ToUpper(strings.TrimSpace(p.Value)) + " " + zone
}

func validateOne(k *Component) error {
	seen := make(map[string]bool, len(single))
	for i := range k.Props {
		name := k.Props[i].Name
		if !single[name] {
			continue
		}
		if seen[name] {
			return propError(&k.Props[i], "a second %s", name)
		}
		seen[name] = true
	}
	if k.Name == "VEVENT" && !seen["DTSTART"] {
		return &Error{Condition: ValidData, Line: k.Line, Text: "VEVENT without DTSTART"}
	}
	return nil
}

func propError(p *Prop, format string, args ...any) error {
	return &Error{Condition: ValidData, Line: p.Line, Text: fmt.Sprintf(format, args...)}
}
