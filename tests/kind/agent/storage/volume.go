// Package storage gives volumes whose size is a real limit and grows in place: each is an XFS
// filesystem in a file, attached by a loop device.
//
// In: claims and what the kubelet asks of a CSI driver. Out: files below two host folders, loop
// devices and mounts. It knows nothing of pods but the folders that the kubelet names.
package storage

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Driver is the name of the CSI driver.
const Driver = "csi.testbed.svom.eu"

// TopologyKey is the node's label that volumes bound to a node are bound by.
const TopologyKey = Driver + "/node"

// PlacementParameter is the storage class's parameter that says where its volumes are.
const PlacementParameter = "placement"

// Placement is where a volume's file is.
type Placement string

const (
	// Local volumes are bound to the node that they were made on.
	Local Placement = "local"
	// Shared volumes follow their pod to any node, one at a time.
	Shared Placement = "shared"
)

// Volume is one volume's place and name. Its text, `local/NODE/NAME` or `shared/NAME`, is the handle
// that Kubernetes knows it by.
type Volume struct {
	Placement Placement
	// Node is empty for a shared volume.
	Node string
	// Name is that of the PersistentVolume.
	Name string
}

// ParseVolume reads a volume's handle.
func ParseVolume(handle string) (Volume, error) {
	parts := strings.Split(handle, "/")
	for _, part := range parts {
		if part == "" || strings.HasPrefix(part, ".") {
			return Volume{}, fmt.Errorf("%q is no volume of this driver", handle)
		}
	}
	switch {
	case len(parts) == 3 && parts[0] == string(Local):
		return Volume{Placement: Local, Node: parts[1], Name: parts[2]}, nil
	case len(parts) == 2 && parts[0] == string(Shared):
		return Volume{Placement: Shared, Name: parts[1]}, nil
	}
	return Volume{}, fmt.Errorf("%q is no volume of this driver", handle)
}

func (v Volume) String() string {
	if v.Placement == Local {
		return strings.Join([]string{string(Local), v.Node, v.Name}, "/")
	}
	return strings.Join([]string{string(Shared), v.Name}, "/")
}

// Folders are where the volumes' files are, as this process sees them. Each is named as its placement.
type Folders struct {
	// Local is this node's own.
	Local string
	// Shared is the same folder on every node. Empty where there is none.
	Shared string
}

const imageSuffix = ".xfs"

// Image is the file of a volume.
func (f Folders) Image(v Volume) (string, error) {
	folder := f.Local
	if v.Placement == Shared {
		folder = f.Shared
	}
	if folder == "" {
		return "", fmt.Errorf("volume %s: this cluster has no folder for %s volumes", v, v.Placement)
	}
	return filepath.Join(folder, v.Name+imageSuffix), nil
}
