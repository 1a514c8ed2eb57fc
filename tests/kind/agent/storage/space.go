package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Space is what a filesystem holds and can hold. Sizes are bytes.
type Space struct {
	Size      int64 `json:"size"`
	Used      int64 `json:"used"`
	Available int64 `json:"available"`
	Files     int64 `json:"files"`
	FilesFree int64 `json:"filesFree"`
}

func spaceOf(path string) (Space, error) {
	var found unix.Statfs_t
	if err := unix.Statfs(path, &found); err != nil {
		return Space{}, fmt.Errorf("measure the filesystem at %s: %w", path, err)
	}
	block := found.Bsize
	return Space{
		Size:      int64(found.Blocks) * block,
		Used:      int64(found.Blocks-found.Bfree) * block,
		Available: int64(found.Bavail) * block,
		Files:     int64(found.Files - found.Ffree),
		FilesFree: int64(found.Ffree),
	}, nil
}
