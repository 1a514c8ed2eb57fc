package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// node is what the kubelet asks of a CSI driver on its node.
type node struct {
	csi.UnimplementedNodeServer
	identity

	name    string
	folders Folders
	// One call at a time: what is mounted is looked up before it is changed.
	one sync.Mutex
}

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{
		NodeId:             n.name,
		AccessibleTopology: &csi.Topology{Segments: map[string]string{TopologyKey: n.name}},
	}, nil
}

func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	for _, able := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: able}
		answer.Capabilities = append(answer.Capabilities,
			&csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return answer, nil
}

func (n *node) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	image, err := n.image(request.GetVolumeId())
	if err != nil {
		return nil, err
	}
	if request.GetVolumeCapability().GetBlock() != nil {
		return nil, status.Error(codes.InvalidArgument, "volumes of this driver are filesystems, not block devices")
	}
	n.one.Lock()
	defer n.one.Unlock()
	if err := mountImage(image, request.GetTargetPath(), request.GetReadonly()); err != nil {
		return nil, failed(request.GetVolumeId(), err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *node) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	n.one.Lock()
	defer n.one.Unlock()
	if err := unmount(request.GetTargetPath()); err != nil {
		return nil, failed(request.GetVolumeId(), err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (n *node) NodeExpandVolume(_ context.Context, request *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	image, err := n.image(request.GetVolumeId())
	if err != nil {
		return nil, err
	}
	n.one.Lock()
	defer n.one.Unlock()
	size := roundSize(request.GetCapacityRange().GetRequiredBytes())
	if err := growImage(image, size); err != nil {
		return nil, failed(request.GetVolumeId(), err)
	}
	if err := growMounted(image, request.GetVolumePath()); err != nil {
		return nil, failed(request.GetVolumeId(), err)
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

func (n *node) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	space, err := spaceOf(request.GetVolumePath())
	if errors.Is(err, unix.ENOENT) {
		return nil, status.Errorf(codes.NotFound, "volume %s is not mounted at %s", request.GetVolumeId(), request.GetVolumePath())
	}
	if err != nil {
		return nil, failed(request.GetVolumeId(), err)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{
			Unit:      csi.VolumeUsage_BYTES,
			Total:     space.Size,
			Available: space.Available,
			Used:      space.Used,
		},
		{
			Unit:      csi.VolumeUsage_INODES,
			Total:     space.Files + space.FilesFree,
			Available: space.FilesFree,
			Used:      space.Files,
		},
	}}, nil
}

// image is the file of a volume that this node can have.
func (n *node) image(handle string) (string, error) {
	volume, err := ParseVolume(handle)
	if err != nil {
		return "", status.Error(codes.NotFound, err.Error())
	}
	if volume.Placement == Local && volume.Node != n.name {
		return "", status.Errorf(codes.NotFound, "volume %s is on node %s, and this is %s", handle, volume.Node, n.name)
	}
	image, err := n.folders.Image(volume)
	if err != nil {
		return "", status.Error(codes.NotFound, err.Error())
	}
	return image, nil
}

func failed(handle string, err error) error {
	if errors.Is(err, ErrInUse) {
		return status.Error(codes.FailedPrecondition,
			fmt.Sprintf("volume %s is mounted on another node: it is free when that node has let it go or is down", handle))
	}
	return status.Errorf(codes.Internal, "volume %s: %v", handle, err)
}
