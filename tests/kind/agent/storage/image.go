package storage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// SmallestSize is the least that mkfs.xfs makes a filesystem in.
	SmallestSize = 16 << 20
	blockSize    = 4096
)

// ErrInUse says that a volume is attached, here or on another node.
var ErrInUse = errors.New("the volume is in use")

// roundSize is the size that a volume gets whose claim asks for this many bytes.
func roundSize(asked int64) int64 {
	return (max(asked, SmallestSize) + blockSize - 1) / blockSize * blockSize
}

// createImage makes a volume's file with an empty filesystem in it, unless it is there. A file with
// its final name is complete.
func createImage(image string, size int64) error {
	if _, err := os.Stat(image); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(image), 0o750); err != nil {
		return fmt.Errorf("make the folder of %s: %w", image, err)
	}
	unfinished := image + ".new"
	if err := os.WriteFile(unfinished, nil, 0o600); err != nil {
		return fmt.Errorf("make %s: %w", unfinished, err)
	}
	if err := os.Truncate(unfinished, roundSize(size)); err != nil {
		return fmt.Errorf("make %s %d bytes long: %w", unfinished, size, err)
	}
	if err := run("mkfs.xfs", "-q", "-f", "-K", "--unsupported", unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, image); err != nil {
		return fmt.Errorf("rename %s: %w", unfinished, err)
	}
	return nil
}

// deleteImage removes a volume's file; one that is gone is no error.
func deleteImage(image string) error {
	file, err := lockImage(image)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := os.Remove(image); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", image, err)
	}
	return nil
}

// lockImage opens a volume's file for the one node that may use it. The lock belongs to the open file,
// and a loop device keeps that file open until it is detached: so the kernel itself holds the lock
// for as long as the volume is mounted anywhere, and gives it up when the node that had it is killed.
func lockImage(image string) (*os.File, error) {
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the volume's file: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s: %w", image, ErrInUse)
	}
	return nil, fmt.Errorf("lock %s: %w", image, err)
}

// growImage makes a volume's file at least this long.
func growImage(image string, size int64) error {
	found, err := os.Stat(image)
	if err != nil {
		return fmt.Errorf("find the volume's file: %w", err)
	}
	if found.Size() >= size {
		return nil
	}
	if err := os.Truncate(image, roundSize(size)); err != nil {
		return fmt.Errorf("make %s %d bytes long: %w", image, size, err)
	}
	return nil
}

func run(program string, arguments ...string) error {
	output, err := exec.Command(program, arguments...).CombinedOutput()
	if err != nil {
		words := strings.Join(append([]string{program}, arguments...), " ")
		return fmt.Errorf("%s: %w: %s", words, err, strings.TrimSpace(string(output)))
	}
	return nil
}
