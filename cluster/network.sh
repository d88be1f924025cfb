# shellcheck shell=bash disable=SC2154
# The network of a cluster. Sourced by `cluster`.
#
#   machine                     control plane                 node I
#   practiceSLOT  -------veth-- bridge0  10.89.SLOT.2 --veth- eth0  10.89.SLOT.1I  --veth per pod- 10.244.I.0/24
#   10.89.SLOT.1
#
# The upper half of 10.89.SLOT.0/24 is for Services of type LoadBalancer: the control plane routes each of their addresses to nodes.
#
# The machine has one link to the cluster and nothing else: no bridge, no firewall rule, no changed sysctl. Links end
# with the namespace that one of their ends lies in.

# link_exists LINK: in the namespace that this runs in, before the package of `ip` is there as well.
link_exists() {
  grep -q "^ *$1:" /proc/net/dev
}

# link_owner: the cluster that made the link. /sys is that of the namespace in which it was mounted: the same, but for tests, and
# there before the package of `ip` is. Nobody, where the link goes meanwhile.
link_owner() {
  if command -v ip >/dev/null; then
    { ip -details link show dev "$link" 2>/dev/null || true; } | sed -n 's/^ *alias //p'
  else
    cat "/sys/class/net/$link/ifalias" 2>/dev/null || true
  fi
}

# owned: whether the link is ours, or nobody's, or there is none. Another checkout of the repository may have a cluster in
# this slot. A link that was just made, by an `up` that was stopped there, names nobody yet.
owned() {
  local owner
  link_exists "$link" || return 0
  owner=$(link_owner)
  [ -z "$owner" ] || [ "$owner" = "$run" ]
}

check_owner() {
  owned || problem "the link $link of this machine belongs to the cluster in $(link_owner)" \
    "stop that one (make down in its repository), or give this one another name: CLUSTER=other make up"
}

check_addresses() {
  local other
  command -v ip >/dev/null || return 0
  other=$(ip -4 route show root "$network.0/24" | awk -v own="$link" '!index($0, " dev " own " ") { print; exit }')
  [ -z "$other" ] || problem "addresses $network.0/24 are in use on this machine: $other" "choose others for the cluster: CLUSTER_NETWORK=10.90 make up"
}

bridge_is_up() {
  inside control-plane ip link show dev bridge0 up | grep -q bridge0
}

# plug_machine: the machine to the bridge; what is plugged stays so.
plug_machine() {
  until_true 10 bridge_is_up
  link_exists "$link" || ip link add "$link" type veth peer name machine netns "$(pid_of control-plane)"
  ip link set dev "$link" alias "$run"
  inside control-plane ip link set machine master bridge0 up
  ip address replace "$network.1/25" dev "$link"
  ip link set "$link" up
  ip route replace "$network.128/25" via "$network.2" dev "$link"
}

# unplug_machine: the namespace at its other end has ended, and the kernel takes the link away at any moment, also between two looks.
unplug_machine() {
  if link_exists "$link" && owned; then
    ip link delete "$link" 2>/dev/null || ! link_exists "$link" || fail "the link $link cannot be removed" "ip link delete $link"
  fi
}

# connect_nodes: every node to the bridge, and to the pods of every other node; what is connected stays so.
connect_nodes() {
  local i j
  for ((i = 1; i <= nodes; i++)); do
    # The API server reaches metrics-server by its pod address.
    inside control-plane ip route replace "10.244.$i.0/24" via "$network.1$i"
    if ! inside "node$i" ip link show dev eth0 >/dev/null 2>&1; then
      inside control-plane ip link delete "node$i" 2>/dev/null || true
      # From this machine's file system: Debian 13's ip looks for the process in /proc, and the control plane's has its own processes.
      nsenter --target "$(pid_of control-plane)" --net -- ip link add "node$i" type veth peer name eth0 netns "$(pid_of "node$i")"
    fi
    inside control-plane ip link set "node$i" master bridge0 up
    inside "node$i" ip address replace "$network.1$i/24" dev eth0
    inside "node$i" ip link set eth0 up
    inside "node$i" ip route replace default via "$network.2"
    for ((j = 1; j <= nodes; j++)); do
      ((j == i)) || inside "node$i" ip route replace "10.244.$j.0/24" via "$network.1$j"
    done
  done
}
