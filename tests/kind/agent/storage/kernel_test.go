package storage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// inside is set in the process that runs the tests with mounts of its own.
const inside = "TESTBED_OWN_MOUNTS"

// TestMain runs the tests in a mount namespace that nobody else sees, so that whatever they leave
// mounted is gone with them.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=yes")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := again.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		panic(err)
	}
	os.Exit(again.ProcessState.ExitCode())
}

// bench is a driver of two nodes with the kernel that they share.
type bench struct {
	*testing.T
	folders Folders
	one     *node
	other   *node
}

const mebibyte = 1 << 20

func newBench(t *testing.T) bench {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("volumes need root: mounts and loop devices")
	}
	for _, program := range []string{"mkfs.xfs", "xfs_growfs"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("volumes need Debian's xfsprogs:", err)
		}
	}
	if _, err := os.Stat(loopControl); err != nil {
		t.Skip("this machine has no loop devices:", err)
	}
	machine := t.TempDir()
	folders := Folders{Local: filepath.Join(machine, "local"), Shared: filepath.Join(machine, "shared")}
	return bench{t, folders, &node{name: "one", folders: folders}, &node{name: "other", folders: folders}}
}

func (b bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bench) create(handle string, size int64) {
	b.Helper()
	volume, err := ParseVolume(handle)
	b.must(err)
	image, err := b.folders.Image(volume)
	b.must(err)
	b.must(createImage(image, size))
}

func (b bench) publish(on *node, handle, target string) error {
	_, err := on.NodePublishVolume(b.Context(), &csi.NodePublishVolumeRequest{VolumeId: handle, TargetPath: target})
	return err
}

func (b bench) unpublish(on *node, target string) {
	b.Helper()
	_, err := on.NodeUnpublishVolume(b.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "any", TargetPath: target})
	b.must(err)
}

// mounted publishes a new volume on the first node, and takes it away at the end.
func (b bench) mounted(handle string, size int64) (target string) {
	b.Helper()
	b.create(handle, size)
	target = filepath.Join(b.TempDir(), "mount")
	b.must(b.publish(b.one, handle, target))
	b.Cleanup(func() { b.unpublish(b.one, target) })
	return target
}

func (b bench) listed(name string) Mounted {
	b.Helper()
	found, err := List()
	b.must(err)
	for _, volume := range found {
		if volume.Volume == name {
			return volume
		}
	}
	b.Fatalf("%s is not among %v", name, found)
	return Mounted{}
}

func (b bench) write(path string, size int) error {
	return os.WriteFile(path, make([]byte, size), 0o600)
}

func TestAVolumeIsFullAtItsSizeAndGrowsInPlace(t *testing.T) {
	b := newBench(t)
	target := b.mounted("local/one/pvc-limit", 64*mebibyte)
	b.must(b.write(filepath.Join(target, "kept"), 8*mebibyte))
	if err := b.write(filepath.Join(target, "more"), 64*mebibyte); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("64 MiB more in a volume of 64 MiB: %v", err)
	}
	_, err := b.one.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{
		VolumeId: "local/one/pvc-limit", VolumePath: target,
		CapacityRange: &csi.CapacityRange{RequiredBytes: 128 * mebibyte},
	})
	b.must(err)
	b.must(b.write(filepath.Join(target, "more"), 64*mebibyte))
	if space := b.listed("pvc-limit").Space; space.Size < 100*mebibyte {
		t.Errorf("after growth to 128 MiB: %+v", space)
	}
}

func TestAVolumeIsOneNodesAtATimeAndOneNodesPodsShareIt(t *testing.T) {
	b := newBench(t)
	const handle = "shared/pvc-one-at-a-time"
	target := b.mounted(handle, 16*mebibyte)
	b.must(b.write(filepath.Join(target, "kept"), 10))

	again := filepath.Join(t.TempDir(), "mount")
	b.must(b.publish(b.one, handle, again))
	if _, err := os.Stat(filepath.Join(again, "kept")); err != nil {
		t.Error("the node's second pod:", err)
	}
	image := filepath.Join(b.folders.Shared, "pvc-one-at-a-time.xfs")
	if _, err := lockImage(image); !errors.Is(err, ErrInUse) {
		t.Errorf("another node gets the lock: %v", err)
	}
	if err := deleteImage(image); !errors.Is(err, ErrInUse) {
		t.Errorf("it is deleted while it is mounted: %v", err)
	}
	b.unpublish(b.one, again)
	b.unpublish(b.one, target)
	b.must(eventually(func() error { return deleteImage(image) }))
	if _, err := os.Stat(image); !os.IsNotExist(err) {
		t.Errorf("its file is still there: %v", err)
	}
	b.must(deleteImage(image))
}

func TestALocalVolumeIsRefusedElsewhereAndOneThatIsNotThereIsNotMade(t *testing.T) {
	b := newBench(t)
	target := filepath.Join(t.TempDir(), "mount")
	b.create("local/one/pvc-bound", 16*mebibyte)
	if err := b.publish(b.other, "local/one/pvc-bound", target); status.Code(err) != codes.NotFound {
		t.Errorf("another node: %v", err)
	}
	if err := b.publish(b.one, "local/one/pvc-none", target); err == nil {
		t.Error("a volume without a file is mounted")
	}
}

func TestEachCallMayComeTwice(t *testing.T) {
	b := newBench(t)
	target := b.mounted("local/one/pvc-twice", 16*mebibyte)
	b.must(b.publish(b.one, "local/one/pvc-twice", target))
	if found := b.listed("pvc-twice"); len(found.Paths) != 1 || found.Placement != Local {
		t.Errorf("listed as %+v", found)
	}
	b.unpublish(b.one, target)
	b.unpublish(b.one, target)
}

func TestAFilledVolumeTakesNothingUntilItIsEmptiedAgain(t *testing.T) {
	b := newBench(t)
	target := b.mounted("local/one/pvc-fill", 64*mebibyte)
	volume := b.listed("pvc-fill")
	b.must(volume.Fill(0))
	if volume.FilledWith < 32*mebibyte {
		t.Errorf("filled with %d bytes", volume.FilledWith)
	}
	if err := b.write(filepath.Join(target, "more"), mebibyte); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a filled volume takes a mebibyte more: %v", err)
	}
	b.must(volume.Unfill())
	if volume.Space.Available < 32*mebibyte {
		t.Errorf("emptied again: %+v", volume)
	}
	b.must(b.write(filepath.Join(target, "more"), mebibyte))

	volume = b.listed("pvc-fill")
	b.must(volume.Fill(16 * mebibyte))
	b.must(b.write(filepath.Join(target, "few"), 8*mebibyte))
	if err := b.write(filepath.Join(target, "many"), 24*mebibyte); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("24 MiB where 16 were left: %v", err)
	}
}

func TestAShutDownVolumeFailsAndForgetsWhatWasNotSynced(t *testing.T) {
	b := newBench(t)
	const handle = "local/one/pvc-power"
	target := b.mounted(handle, 64*mebibyte)
	synced, err := os.Create(filepath.Join(target, "synced"))
	b.must(err)
	_, err = synced.WriteString("kept")
	b.must(err)
	b.must(synced.Sync())
	b.must(synced.Close())
	b.must(os.WriteFile(filepath.Join(target, "unsynced"), []byte("gone"), 0o600))

	volume := b.listed("pvc-power")
	if volume.ShutDown {
		t.Error("it is shut down before its time")
	}
	b.must(volume.Shutdown(DropLog))
	if !volume.ShutDown {
		t.Error("it does not say that it is shut down")
	}
	if err := b.write(filepath.Join(target, "new"), 10); !errors.Is(err, unix.EIO) {
		t.Errorf("a shut down volume takes a file: %v", err)
	}
	b.unpublish(b.one, target)
	b.must(eventually(func() error { return b.publish(b.one, handle, target) }))
	if text, err := os.ReadFile(filepath.Join(target, "synced")); err != nil || string(text) != "kept" {
		t.Errorf("what was synced is %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(target, "unsynced")); err == nil && string(text) == "gone" {
		t.Error("what was not synced is there")
	}
}

// eventually waits for the kernel, which detaches devices in its own time.
func eventually(try func() error) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
