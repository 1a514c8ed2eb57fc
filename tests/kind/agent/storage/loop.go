package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	loopControl = "/dev/loop-control"
	loopMajor   = 7
	// Other nodes take devices from the same kernel, so a free one may be gone before it is ours.
	attachAttempts = 50
)

// loop is a loop device by its number. A container's /dev does not get the nodes of devices that are
// made after its start, so the node is made where it is missing.
type loop int

func (l loop) path() string { return "/dev/loop" + strconv.Itoa(int(l)) }

func (l loop) open(mode int) (*os.File, error) {
	err := unix.Mknod(l.path(), unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(l))))
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make %s: %w", l.path(), err)
	}
	file, err := os.OpenFile(l.path(), mode|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", l.path(), err)
	}
	return file, nil
}

// image is the file behind the device, as its node sees it; empty where there is none.
func (l loop) image() string {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", int(l)))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// resize lets the device see that its file has grown.
func (l loop) resize() error {
	device, err := l.open(os.O_RDONLY)
	if err != nil {
		return err
	}
	defer device.Close()
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("let %s see its file's new size: %w", l.path(), err)
	}
	return nil
}

// attach connects a locked file with a free device. The device detaches itself when its last user
// closes it: a mount, or the file that is returned here.
func attach(image *os.File) (loop, *os.File, error) {
	control, err := os.OpenFile(loopControl, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("open %s: %w", loopControl, err)
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(image.Fd())}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:len(config.Info.File_name)-1], filepath.Base(image.Name()))
	for range attachAttempts {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return 0, nil, fmt.Errorf("get a free loop device: %w", err)
		}
		free := loop(number)
		device, err := free.open(os.O_RDWR)
		if err != nil {
			return 0, nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return free, device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) {
			return 0, nil, fmt.Errorf("attach %s to %s: %w", image.Name(), free.path(), err)
		}
	}
	return 0, nil, fmt.Errorf("attach %s: others took each of %d free loop devices first", image.Name(), attachAttempts)
}
