package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	core "k8s.io/api/core/v1"
	storageapi "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

const (
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	provisioner   = "volume.kubernetes.io/storage-provisioner"
)

// Provisioner makes the volumes of the claims whose pod the scheduler has placed on this node, and
// deletes the volumes that nobody claims any more.
type Provisioner struct {
	// Node is this node's name. Empty in the one process that cleans up what no node can: shared
	// volumes, and those bound to a node that is gone for good.
	Node    string
	Folders Folders
	Client  kubernetes.Interface
	Events  record.EventRecorder

	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	nodes   corelisters.NodeLister
	classes storagelisters.StorageClassLister
}

// Watch chooses what the provisioner looks at. It comes before the factory starts.
func (p *Provisioner) Watch(factory informers.SharedInformerFactory) []cache.SharedIndexInformer {
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	nodes, classes := factory.Core().V1().Nodes(), factory.Storage().V1().StorageClasses()
	p.claims, p.volumes = claims.Lister(), volumes.Lister()
	p.nodes, p.classes = nodes.Lister(), classes.Lister()
	// A node's status changes each few seconds: it is watched, but calls for no step.
	nodes.Informer()
	return []cache.SharedIndexInformer{claims.Informer(), volumes.Informer(), classes.Informer()}
}

// Step makes and deletes what is to be made and deleted now. One volume's failure keeps no other back.
func (p *Provisioner) Step(ctx context.Context) error {
	claims, err := p.claims.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the claims: %w", err)
	}
	volumes, err := p.volumes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the volumes: %w", err)
	}
	var failures []error
	for _, claim := range claims {
		if p.Node == "" || !p.mine(claim) {
			continue
		}
		if err := p.provision(ctx, claim); err != nil {
			p.Events.Event(claim, core.EventTypeWarning, "ProvisioningFailed", err.Error())
			failures = append(failures, fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err))
		}
	}
	for _, volume := range volumes {
		if err := p.deleteReleased(ctx, volume); err != nil {
			failures = append(failures, fmt.Errorf("delete volume %s: %w", volume.Name, err))
		}
	}
	return errors.Join(failures...)
}

func (p *Provisioner) mine(claim *core.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeName == "" && claim.DeletionTimestamp == nil &&
		claim.Annotations[provisioner] == Driver && claim.Annotations[selectedNode] == p.Node &&
		claim.Spec.StorageClassName != nil
}

func (p *Provisioner) provision(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return fmt.Errorf("storage class %s: %w", *claim.Spec.StorageClassName, err)
	}
	volume, err := volumeFor(claim, class, p.Node)
	if err != nil {
		return err
	}
	image, err := p.Folders.Image(volume)
	if err != nil {
		return err
	}
	wanted := claim.Spec.Resources.Requests[core.ResourceStorage]
	if err := createImage(image, wanted.Value()); err != nil {
		return err
	}
	_, err = p.Client.CoreV1().PersistentVolumes().Create(ctx, persistentVolume(volume, claim, class), meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create PersistentVolume %s: %w", volume.Name, err)
	}
	slog.Info("volume made", "volume", volume.String(), "claim", claim.Namespace+"/"+claim.Name, "size", wanted.String())
	return nil
}

// deleteReleased deletes a volume that no claim holds and that is this process's to delete.
func (p *Provisioner) deleteReleased(ctx context.Context, held *core.PersistentVolume) error {
	if held.Status.Phase != core.VolumeReleased || held.DeletionTimestamp != nil || held.Spec.CSI == nil ||
		held.Spec.CSI.Driver != Driver || held.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	volume, err := ParseVolume(held.Spec.CSI.VolumeHandle)
	if err != nil {
		return err
	}
	mine, fileIsHere, err := p.responsible(volume)
	if err != nil || !mine {
		return err
	}
	if fileIsHere {
		image, err := p.Folders.Image(volume)
		if err != nil {
			return err
		}
		if err := deleteImage(image); err != nil {
			return err
		}
	}
	err = p.Client.CoreV1().PersistentVolumes().Delete(ctx, held.Name, meta.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete its PersistentVolume: %w", err)
	}
	slog.Info("volume deleted", "volume", volume.String())
	return nil
}

// responsible says whether this process deletes a volume, and whether it has the volume's file.
func (p *Provisioner) responsible(volume Volume) (mine, fileIsHere bool, err error) {
	if p.Node != "" {
		return volume.Placement == Local && volume.Node == p.Node, true, nil
	}
	if volume.Placement == Shared {
		return true, true, nil
	}
	_, err = p.nodes.Get(volume.Node)
	if apierrors.IsNotFound(err) {
		return true, false, nil
	}
	return false, false, err
}

// volumeFor is the volume that a claim gets on a node.
func volumeFor(claim *core.PersistentVolumeClaim, class *storageapi.StorageClass, node string) (Volume, error) {
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode != core.PersistentVolumeFilesystem {
		return Volume{}, errors.New("volumes of this driver are filesystems: ask for volumeMode Filesystem")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != core.ReadWriteOnce && mode != core.ReadWriteOncePod {
			return Volume{}, fmt.Errorf("access mode %s is not had here: ask for ReadWriteOnce or ReadWriteOncePod", mode)
		}
	}
	name := "pvc-" + string(claim.UID)
	switch placement := Placement(class.Parameters[PlacementParameter]); placement {
	case Local:
		return Volume{Placement: Local, Node: node, Name: name}, nil
	case Shared:
		return Volume{Placement: Shared, Name: name}, nil
	default:
		return Volume{}, fmt.Errorf("storage class %s: its parameter %s is %q; write %q or %q",
			class.Name, PlacementParameter, placement, Local, Shared)
	}
}

func persistentVolume(volume Volume, claim *core.PersistentVolumeClaim, class *storageapi.StorageClass) *core.PersistentVolume {
	size := claim.Spec.Resources.Requests[core.ResourceStorage].DeepCopy()
	size.Set(roundSize(size.Value()))
	reclaim := core.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	made := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: volume.Name, Annotations: map[string]string{provisionedBy: Driver}},
		Spec: core.PersistentVolumeSpec{
			Capacity:                      core.ResourceList{core.ResourceStorage: size},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			StorageClassName:              class.Name,
			PersistentVolumeReclaimPolicy: reclaim,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: core.PersistentVolumeSource{CSI: &core.CSIPersistentVolumeSource{
				Driver: Driver, VolumeHandle: volume.String(), FSType: "xfs",
			}},
		},
	}
	if volume.Placement == Local {
		made.Spec.NodeAffinity = &core.VolumeNodeAffinity{Required: onNode(volume.Node)}
	}
	return made
}

func onNode(node string) *core.NodeSelector {
	here := core.NodeSelectorRequirement{Key: TopologyKey, Operator: core.NodeSelectorOpIn, Values: []string{node}}
	return &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{
		{MatchExpressions: []core.NodeSelectorRequirement{here}},
	}}
}
