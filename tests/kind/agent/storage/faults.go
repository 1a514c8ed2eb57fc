package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fillName is the file that fills a volume up, in its root folder.
const fillName = ".testbed-fill"

// Mounted is a volume that this node has mounted.
type Mounted struct {
	// Volume is the name of the PersistentVolume.
	Volume    string    `json:"volume"`
	Placement Placement `json:"placement"`
	Device    string    `json:"device"`
	// Paths are all of its mounts, one for each pod.
	Paths []string `json:"paths"`
	// FilledWith is how many bytes `fill` took.
	FilledWith int64 `json:"filledWith"`
	// ShutDown volumes answer every access with an input/output error until they are mounted anew.
	ShutDown bool  `json:"shutDown"`
	Space    Space `json:"space"`
}

// List tells of every volume that is mounted here, by name.
func List() ([]Mounted, error) {
	mounts, err := loopMounts()
	if err != nil {
		return nil, err
	}
	found := []Mounted{}
	for _, mount := range mounts {
		image := mount.device.image()
		name, isVolume := strings.CutSuffix(filepath.Base(image), imageSuffix)
		if !isVolume {
			continue
		}
		known := slices.IndexFunc(found, func(m Mounted) bool { return m.Volume == name })
		if known >= 0 {
			found[known].Paths = append(found[known].Paths, mount.path)
			continue
		}
		volume := Mounted{
			Volume:    name,
			Placement: Placement(filepath.Base(filepath.Dir(image))),
			Device:    mount.device.path(),
			Paths:     []string{mount.path},
		}
		if err := volume.look(); err != nil {
			return nil, err
		}
		found = append(found, volume)
	}
	slices.SortFunc(found, func(a, b Mounted) int { return strings.Compare(a.Volume, b.Volume) })
	return found, nil
}

// look fills in what changes.
func (m *Mounted) look() error {
	var err error
	if m.Space, err = spaceOf(m.Paths[0]); err != nil {
		return err
	}
	// A name that was never looked up is in no cache, so the filesystem itself has to answer.
	_, err = os.Lstat(filepath.Join(m.Paths[0], ".testbed-"+rand.Text()))
	m.ShutDown = errors.Is(err, unix.EIO)
	m.FilledWith = 0
	if fill, err := os.Lstat(m.fillPath()); err == nil {
		m.FilledWith = fill.Size()
	}
	return nil
}

func (m *Mounted) fillPath() string { return filepath.Join(m.Paths[0], fillName) }

// Fill takes what is free but `leave` bytes, so that the next writer is told that the disk is full.
// The space is reserved and not written: it costs the machine nothing.
func (m *Mounted) Fill(leave int64) error {
	file, err := os.OpenFile(m.fillPath(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("fill volume %s: %w", m.Volume, err)
	}
	defer file.Close()
	held, err := file.Stat()
	if err != nil {
		return fmt.Errorf("fill volume %s: %w", m.Volume, err)
	}
	end := held.Size()
	// The filesystem keeps some blocks back and needs some for its own lists, so the last of the free
	// space is taken in ever smaller pieces.
	for piece := m.Space.Available - leave; piece >= blockSize; {
		switch err := unix.Fallocate(int(file.Fd()), 0, end, piece); {
		case err == nil:
			end += piece
		case errors.Is(err, unix.ENOSPC):
			piece = piece / 2 / blockSize * blockSize
		default:
			return fmt.Errorf("fill volume %s: %w", m.Volume, err)
		}
		space, err := spaceOf(m.Paths[0])
		if err != nil {
			return err
		}
		piece = min(piece, space.Available-leave)
	}
	return m.look()
}

// Unfill gives back what Fill took.
func (m *Mounted) Unfill() error {
	// The space of a file that is only removed comes back in the filesystem's own time.
	err := os.Truncate(m.fillPath(), 0)
	if err == nil {
		err = os.Remove(m.fillPath())
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("empty volume %s again: %w", m.Volume, err)
	}
	return m.look()
}

// Shutdown is how a filesystem ends that is cut from its disk at once.
type Shutdown uint32

const (
	// KeepLog writes the filesystem's own log first: names and sizes survive, contents that were not
	// synced do not.
	KeepLog Shutdown = 1
	// DropLog is a cut of the power: nothing survives but what was synced.
	DropLog Shutdown = 2
)

// goingDown is XFS_IOC_GOINGDOWN, _IOR('X', 125, __u32).
const goingDown = 0x8004587d

// Shutdown cuts the filesystem from its disk: each access ends with an input/output error until every
// mount of it is gone and it is mounted anew.
func (m *Mounted) Shutdown(how Shutdown) error {
	root, err := os.Open(m.Paths[0])
	if err != nil {
		return fmt.Errorf("shut volume %s down: %w", m.Volume, err)
	}
	defer root.Close()
	if err := unix.IoctlSetPointerInt(int(root.Fd()), goingDown, int(how)); err != nil {
		return fmt.Errorf("shut volume %s down: %w", m.Volume, err)
	}
	return m.look()
}
