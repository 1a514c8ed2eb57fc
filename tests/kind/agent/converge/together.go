package converge

import (
	"context"
	"errors"
)

// Together runs all of these until each has ended; when one ends, the others are told to.
func Together(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(runs))
	for _, run := range runs {
		go func() {
			defer cancel()
			ended <- run(ctx)
		}()
	}
	var failures []error
	for range runs {
		failures = append(failures, <-ended)
	}
	return errors.Join(failures...)
}
