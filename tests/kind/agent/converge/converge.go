// Package converge brings what is there to what is wanted, again and again.
//
// In: a step that compares the two and acts, and the objects whose change calls for it. Out: nothing;
// a step that fails is logged and taken again. A step never learns what changed: it looks at all there
// is, so a change that was missed is repaired by the next one.
package converge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/tools/cache"
)

const (
	afterFailure = time.Second
	// What nobody tells of, a route that went with its interface for one, is found this late at most.
	untold = 5 * time.Second
)

// Signal calls for a step. Calls that come during a step are answered by one.
type Signal chan struct{}

// NewSignal is a signal that has not been given.
func NewSignal() Signal { return make(Signal, 1) }

// Give calls for a step, and does not wait for it.
func (s Signal) Give() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// GiveOnChange calls for a step whenever an object of these kinds changes.
func (s Signal) GiveOnChange(informers ...cache.SharedIndexInformer) error {
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { s.Give() },
		UpdateFunc: func(any, any) { s.Give() },
		DeleteFunc: func(any) { s.Give() },
	}
	for _, informer := range informers {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watch for changes: %w", err)
		}
	}
	return nil
}

// Run takes the step whenever the signal is given, after each failure, and from time to time. It
// returns when the context ends.
func Run(ctx context.Context, what string, signal Signal, step func(context.Context) error) {
	last := ""
	for {
		pause := untold
		if err := step(ctx); err != nil {
			pause = afterFailure
			if err.Error() != last {
				slog.Error("not done, tried again each second", "what", what, "error", err)
			}
			last = err.Error()
		} else if last != "" {
			slog.Info("done at last", "what", what)
			last = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-signal:
		case <-time.After(pause):
		}
	}
}
