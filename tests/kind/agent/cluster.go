package main

import (
	"context"
	"fmt"
	"log/slog"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"svom.eu/messaging/tests/kind/agent/converge"
)

// cluster is the API server as the agent uses it: it watches, and converges on what it sees.
type cluster struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	loops   []func(context.Context)
}

// part is something that looks at objects and acts.
type part interface {
	Watch(informers.SharedInformerFactory) []cache.SharedIndexInformer
	Step(context.Context) error
}

func newCluster() (*cluster, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagers))
	return &cluster{client: client, factory: factory}, nil
}

// withoutManagers drops what the agent never reads and would hold in memory.
func withoutManagers(object any) (any, error) {
	if held, err := meta.Accessor(object); err == nil {
		held.SetManagedFields(nil)
	}
	return object, nil
}

func (c *cluster) events() record.EventRecorder {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: c.client.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: "testbed"})
}

// add lets a part converge once the cluster runs; `after` is told of each step that was done.
func (c *cluster) add(what string, added part, after func()) error {
	signal := converge.NewSignal()
	if err := signal.GiveOnChange(added.Watch(c.factory)...); err != nil {
		return err
	}
	step := func(ctx context.Context) error {
		if err := added.Step(ctx); err != nil {
			return err
		}
		after()
		return nil
	}
	c.loops = append(c.loops, func(ctx context.Context) { converge.Run(ctx, what, signal, step) })
	return nil
}

// run watches, and starts the parts when all is seen for the first time. It returns when the context
// ends.
func (c *cluster) run(ctx context.Context) error {
	c.factory.Start(ctx.Done())
	for kind, seen := range c.factory.WaitForCacheSync(ctx.Done()) {
		if !seen {
			slog.Info("ended before the API server told of everything", "missing", kind.Elem().Name())
			return nil
		}
	}
	slog.Info("the API server has told of everything")
	for _, loop := range c.loops {
		go loop(ctx)
	}
	<-ctx.Done()
	return nil
}
