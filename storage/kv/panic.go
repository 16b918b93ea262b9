package kv

import "fmt"

// Panic is what Update panics with when fn panicked on another goroutine.
type Panic struct {
	Value any    // what fn panicked with
	Stack []byte // where it did
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns Value when that is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
