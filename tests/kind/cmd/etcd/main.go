// The etcd command is etcd's server, under the name that kubeadm's manifest starts.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
