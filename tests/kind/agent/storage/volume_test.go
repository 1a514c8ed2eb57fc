package storage

import (
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storageapi "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAHandleIsAVolumesTextAndNothingElseIs(t *testing.T) {
	for _, handle := range []string{"local/worker.example/pvc-1", "shared/pvc-1"} {
		volume, err := ParseVolume(handle)
		if err != nil || volume.String() != handle {
			t.Errorf("%s: %v, %v", handle, volume, err)
		}
	}
	for _, handle := range []string{"", "pvc-1", "local/pvc-1", "shared/worker/pvc-1", "local//pvc-1", "shared/../pvc-1", "shared/.pvc", "other/pvc-1"} {
		if volume, err := ParseVolume(handle); err == nil {
			t.Errorf("%q is taken as %v", handle, volume)
		}
	}
}

func TestMountsAreThoseOfWholeLoopDevices(t *testing.T) {
	found := parseMounts(`22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 7:3 / /var/lib/kubelet/pods/a/volumes/kubernetes.io~csi/pvc-1/mount rw shared:2 - xfs /dev/loop3 rw
31 22 7:3 / /with\040space rw - xfs /dev/loop3 rw
32 22 7:3 /sub /var/lib/kubelet/pods/a/volume-subpaths/pvc-1/c/0 rw - xfs /dev/loop3 rw
33 22 17:3 / /other rw - xfs /dev/other rw
`)
	expected := []mountPoint{{3, "/var/lib/kubelet/pods/a/volumes/kubernetes.io~csi/pvc-1/mount"}, {3, "/with space"}}
	if len(found) != 2 || found[0] != expected[0] || found[1] != expected[1] {
		t.Errorf("found %v", found)
	}
}

func claim(size string, modes ...core.PersistentVolumeAccessMode) *core.PersistentVolumeClaim {
	made := &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Namespace: "bus", Name: "data-0", UID: "1234"},
		Spec:       core.PersistentVolumeClaimSpec{AccessModes: modes},
	}
	made.Spec.Resources.Requests = core.ResourceList{core.ResourceStorage: resource.MustParse(size)}
	return made
}

func class(placement string) *storageapi.StorageClass {
	return &storageapi.StorageClass{
		ObjectMeta: meta.ObjectMeta{Name: "a"},
		Parameters: map[string]string{PlacementParameter: placement},
	}
}

func TestOnlyLocalVolumesAreBoundToTheirNode(t *testing.T) {
	for placement, handle := range map[string]string{"local": "local/worker/pvc-1234", "shared": "shared/pvc-1234"} {
		once := claim("100M", core.ReadWriteOnce)
		volume, err := volumeFor(once, class(placement), "worker")
		if err != nil || volume.String() != handle {
			t.Errorf("%s: %v, %v", placement, volume, err)
		}
		made := persistentVolume(volume, once, class(placement))
		if bound := made.Spec.NodeAffinity != nil; bound != (placement == "local") {
			t.Errorf("%s: bound to its node: %v", placement, bound)
		}
		if size := made.Spec.Capacity[core.ResourceStorage]; size.Value() != 100003840 {
			t.Errorf("%s: size %s", placement, size.String())
		}
	}
}

func TestWhatCannotBeHadIsSaidWithWhatCan(t *testing.T) {
	block := core.PersistentVolumeBlock
	device := claim("1Gi", core.ReadWriteOnce)
	device.Spec.VolumeMode = &block
	for words, refused := range map[string]error{
		"ask for ReadWriteOnce":     second(volumeFor(claim("1Gi", core.ReadWriteMany), class("local"), "worker")),
		"ask for volumeMode":        second(volumeFor(device, class("local"), "worker")),
		`write "local" or "shared"`: second(volumeFor(claim("1Gi", core.ReadWriteOnce), class("here"), "worker")),
	} {
		if refused == nil || !strings.Contains(refused.Error(), words) {
			t.Errorf("%q is not in %v", words, refused)
		}
	}
}

func second(_ Volume, err error) error { return err }

func TestSizesAreWholeBlocksAndNotBelowTheSmallest(t *testing.T) {
	for asked, given := range map[int64]int64{0: 16 << 20, 16<<20 + 1: 16<<20 + 4096, 1 << 30: 1 << 30} {
		if got := roundSize(asked); got != given {
			t.Errorf("%d bytes: got %d, want %d", asked, got, given)
		}
	}
}
