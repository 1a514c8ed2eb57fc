# Read by kind's entrypoint. A node's systemd and kubelet write settings that are not the node's but
# the whole machine's; these functions let each see what it wants without writing there.

machine_copies=/kind/machine

# A plain file with the given content instead of a kernel's file.
cover() {
  local kernel_file=$1 content=$2 copy
  if [[ ! -e $kernel_file ]]; then
    return
  fi
  copy=$machine_copies/${kernel_file//\//_}
  mkdir -p "$machine_copies"
  echo "$content" >"$copy"
  mount --bind "$copy" "$kernel_file"
}

# The kernel's own value, which cannot be written.
protect() {
  if [[ -e $1 ]]; then
    mount --bind "$1" "$1"
    mount -o remount,bind,ro "$1"
  fi
}

# systemd mounts every controller that it finds as cgroup v1. It shall find those alone that are
# mounted as v1 already: a mount of another takes it away from cgroup v2, on the whole machine.
hide_controllers() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    return
  fi
  local name rest mounted=
  while IFS=$'\t' read -r name rest; do
    if [[ $name == '#'* || -d /sys/fs/cgroup/$name ]]; then
      mounted+=$name$'\t'$rest$'\n'
    fi
  done </proc/cgroups
  cover /proc/cgroups "${mounted%$'\n'}"
}

# systemd raises the first two and goes on where it may not. The kubelet insists on the next six. The
# last is new with every start, so that a node that comes back counts as rebooted.
cover_settings() {
  protect /proc/sys/fs/file-max
  protect /proc/sys/fs/nr_open
  cover /proc/sys/kernel/keys/root_maxbytes 25000000
  cover /proc/sys/kernel/keys/root_maxkeys 1000000
  cover /proc/sys/kernel/panic 10
  cover /proc/sys/kernel/panic_on_oops 1
  cover /proc/sys/vm/overcommit_memory 1
  cover /proc/sys/vm/panic_on_oom 0
  cover /proc/sys/kernel/random/boot_id "$(</proc/sys/kernel/random/uuid)"
}
