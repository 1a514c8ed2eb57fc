package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"svom.eu/messaging/tests/kind/agent/converge"
)

// registrar tells the kubelet, which looks into its folder of sockets, of the driver.
type registrar struct {
	registration.UnimplementedRegistrationServer

	endpoint   string
	registered atomic.Bool
}

func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              Driver,
		Endpoint:          r.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrar) NotifyRegistrationStatus(_ context.Context, answer *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	r.registered.Store(answer.GetPluginRegistered())
	if answer.GetPluginRegistered() {
		slog.Info("the kubelet knows the driver")
	} else {
		slog.Error("the kubelet refuses the driver", "error", answer.GetError())
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// NodeDriver is the driver as one node's kubelet uses it.
type NodeDriver struct {
	// Node is the node's name.
	Node    string
	Folders Folders
	// Kubelet is its folder, /var/lib/kubelet as a rule.
	Kubelet string

	registrar registrar
}

// Serve answers the kubelet until the context ends.
func (d *NodeDriver) Serve(ctx context.Context) error {
	d.registrar.endpoint = filepath.Join(d.Kubelet, "plugins", Driver, "csi.sock")
	driver := grpc.NewServer(grpc.UnaryInterceptor(logFailures))
	served := &node{name: d.Node, folders: d.Folders}
	csi.RegisterIdentityServer(driver, served)
	csi.RegisterNodeServer(driver, served)
	registrations := grpc.NewServer()
	registration.RegisterRegistrationServer(registrations, &d.registrar)

	// Volumes are mounted without the API server too, so that nothing here waits for it.
	return converge.Together(ctx,
		func(ctx context.Context) error { return serve(ctx, driver, d.registrar.endpoint) },
		func(ctx context.Context) error {
			return serve(ctx, registrations, filepath.Join(d.Kubelet, "plugins_registry", Driver+"-reg.sock"))
		})
}

// Registered says whether the kubelet has taken the driver.
func (d *NodeDriver) Registered() bool { return d.registrar.registered.Load() }

// ServeController answers the external-resizer on a socket until the context ends.
func ServeController(ctx context.Context, socket string) error {
	server := grpc.NewServer(grpc.UnaryInterceptor(logFailures))
	csi.RegisterIdentityServer(server, identity{})
	csi.RegisterControllerServer(server, controller{})
	return serve(ctx, server, socket)
}

func serve(ctx context.Context, server *grpc.Server, socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return fmt.Errorf("make the folder of %s: %w", socket, err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the old %s: %w", socket, err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", socket, err)
	}
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve %s: %w", socket, err)
	}
	return nil
}

func logFailures(ctx context.Context, request any, call *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, request)
	if err != nil {
		slog.Error("call failed", "call", call.FullMethod, "error", err)
	}
	return answer, err
}
