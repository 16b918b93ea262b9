package storage

import "context"

func (s *Store) housekeep(ctx context.Context) { <-ctx.Done() }
