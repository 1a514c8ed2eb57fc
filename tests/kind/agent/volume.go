package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"svom.eu/messaging/tests/kind/agent/storage"
)

const volumeUsage = `usage: testbed-agent volume list
       testbed-agent volume stats    --all | VOLUME...
       testbed-agent volume fill     [--leave BYTES] --all | VOLUME...
       testbed-agent volume unfill   --all | VOLUME...
       testbed-agent volume shutdown [--log keep|drop] --all | VOLUME...

A VOLUME is the name of a PersistentVolume that this node has mounted. The volumes are printed as they
are afterwards, as JSON.`

// runVolume does something to volumes that this node has mounted, and prints how they are afterwards.
func runVolume(words []string) error {
	if len(words) == 0 {
		return errors.New(volumeUsage)
	}
	flags := flag.NewFlagSet("volume "+words[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, volumeUsage) }
	all := flags.Bool("all", false, "every volume that this node has mounted")
	var act func(*storage.Mounted) error
	switch words[0] {
	case "list":
		*all = true
		act = unchanged
	case "stats":
		act = unchanged
	case "fill":
		leave := flags.Int64("leave", 0, "bytes to leave free")
		act = func(m *storage.Mounted) error { return m.Fill(*leave) }
	case "unfill":
		act = (*storage.Mounted).Unfill
	case "shutdown":
		log := shutdownFlag(flags)
		act = func(m *storage.Mounted) error { return m.Shutdown(*log) }
	default:
		return fmt.Errorf("no command %q; %s", words[0], volumeUsage)
	}
	if err := flags.Parse(words[1:]); err != nil {
		return err
	}
	return actOnVolumes(*all, flags.Args(), act)
}

func unchanged(*storage.Mounted) error { return nil }

// shutdownFlag is how volumes are shut down; a cut of the power where it is not given.
func shutdownFlag(flags *flag.FlagSet) *storage.Shutdown {
	how := storage.DropLog
	flags.Func("log", "`keep` the filesystem's log or `drop` it, as a cut of the power does (default drop)", func(word string) error {
		switch word {
		case "keep":
			how = storage.KeepLog
		case "drop":
			how = storage.DropLog
		default:
			return errors.New("it is keep or drop")
		}
		return nil
	})
	return &how
}

func actOnVolumes(all bool, names []string, act func(*storage.Mounted) error) error {
	if !all && len(names) == 0 {
		return errors.New("no volume is named; " + volumeUsage)
	}
	mounted, err := storage.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(mounted, func(m storage.Mounted) bool { return m.Volume == name }) {
			return fmt.Errorf("volume %s is not mounted on this node; `volume list` tells which are", name)
		}
	}
	chosen := []storage.Mounted{}
	var failures []error
	for _, volume := range mounted {
		if !all && !slices.Contains(names, volume.Volume) {
			continue
		}
		failures = append(failures, act(&volume))
		chosen = append(chosen, volume)
	}
	printer := json.NewEncoder(os.Stdout)
	printer.SetIndent("", "  ")
	return errors.Join(append(failures, printer.Encode(chosen))...)
}
