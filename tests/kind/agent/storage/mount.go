package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountPoint is one mount of a loop device in this node.
type mountPoint struct {
	device loop
	path   string
}

// parseMounts lists the mounts of whole loop devices that a text in the form of /proc/self/mountinfo
// tells of. The mount of a folder within one, as a pod has with a subPath, is none.
func parseMounts(text string) []mountPoint {
	var found []mountPoint
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		minor, isLoop := strings.CutPrefix(fields[2], strconv.Itoa(loopMajor)+":")
		number, err := strconv.Atoi(minor)
		if !isLoop || err != nil || fields[3] != "/" {
			continue
		}
		found = append(found, mountPoint{device: loop(number), path: unescape(fields[4])})
	}
	return found
}

// unescape undoes what the kernel does to spaces, tabs, newlines and backslashes in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

func loopMounts() ([]mountPoint, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	return parseMounts(string(text)), nil
}

// mountsOf lists where this node has a volume mounted. A volume's file is known by its name alone,
// which holds the claim's unique identifier: its folder may be another in another namespace.
func mountsOf(image string) ([]mountPoint, error) {
	all, err := loopMounts()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m mountPoint) bool {
		return filepath.Base(m.device.image()) != filepath.Base(image)
	}), nil
}

// mountImage mounts a volume at a folder. Where this node has it mounted already, for another pod, the
// same filesystem is shown there too.
func mountImage(image, target string, readOnly bool) error {
	present, err := mountsOf(image)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(present, func(m mountPoint) bool { return m.path == target }) {
		return nil
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return fmt.Errorf("make the folder to mount at: %w", err)
	}
	if len(present) > 0 {
		err = unix.Mount(present[0].path, target, "", unix.MS_BIND, "")
	} else {
		err = mountFirst(image, target)
	}
	if err != nil {
		return fmt.Errorf("mount %s at %s: %w", image, target, err)
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the mount at %s read-only: %w", target, err)
	}
	return nil
}

func mountFirst(image, target string) error {
	locked, err := lockImage(image)
	if err != nil {
		return err
	}
	defer locked.Close()
	free, device, err := attach(locked)
	if err != nil {
		return err
	}
	defer device.Close()
	return unix.Mount(free.path(), target, "xfs", 0, "")
}

// unmount takes away every mount at a folder, and the folder.
func unmount(target string) error {
	all, err := loopMounts()
	if err != nil {
		return err
	}
	for _, mount := range all {
		if mount.path != target {
			continue
		}
		if err := unix.Unmount(target, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove %s: %w", target, err)
	}
	return nil
}

// growMounted lets a mounted volume use its file's new size.
func growMounted(image, path string) error {
	present, err := mountsOf(image)
	if err != nil {
		return err
	}
	if len(present) == 0 {
		return fmt.Errorf("grow %s: it is not mounted on this node", image)
	}
	if err := present[0].device.resize(); err != nil {
		return err
	}
	return run("xfs_growfs", "-d", path)
}
