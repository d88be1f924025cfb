# shellcheck shell=bash disable=SC2154,SC2034
# What a machine must have before anything is built or started on it: sourced. A check notes what is wrong and its mend;
# `refuse_problems` then says all of it in one list, so that nobody mends one thing only to be told of the next.

problems=()

# problem WRONG MEND
problem() {
  problems+=("$1" "$2")
}

# refuse_problems: ends the script if a check noted something.
refuse_problems() {
  local count=$((${#problems[@]} / 2)) i
  ((count)) || return 0
  ((count == 1)) || printf 'error: %s things are in the way:\n' "$count" >&2
  for ((i = 0; i < count; i++)); do
    printf 'error: %s\n       %s\n' "${problems[i * 2]}" "${problems[i * 2 + 1]}" >&2
  done
  exit 1
}

check_system() {
  case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") ;;
    *) problem "the cluster runs on Linux on x86_64 or arm64 (aarch64), not on $(uname -sm)" \
      "use a Linux machine, or a cluster that you have: see README.md" ;;
  esac
}

# check_path: overlays are mounted from folders of the repository, and a comma or a colon separates their options.
check_path() {
  if [[ $root == *[,:\\\"\'\$]* || $root == *$'\n'* ]]; then
    problem "the path of this repository has a comma, a colon, a quote, a dollar, a backslash or a line end in it: $root" \
      "move it: spaces and other letters are fine"
  fi
}

is_root() {
  [ "$(id -u)" = 0 ]
}

check_root() {
  is_root || problem "the cluster needs root: it makes namespaces, links and mounts" "run it as root (sudo), or use 'make run', which needs no root"
}

# check_packages GROUP: whether the packages that are missing can be installed here.
check_packages() {
  local missing
  mapfile -t missing < <("$here/prepare" missing "$1")
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    problem "this machine lacks what these Debian packages provide: ${missing[*]}" \
      "it has no apt-get: install them with its own package manager (cluster/packages says what each must provide)"
  elif ! is_root; then
    problem "Debian packages are missing, and only root can install them: ${missing[*]}" "run it as root (sudo)"
  fi
}

# Where there is rustup, cluster/rust installs the rest.
check_rust() {
  local wanted
  command -v rustup >/dev/null && return
  wanted=$(sed -nE 's/^rust-version = "(.*)"/\1/p' "$root/Cargo.toml")
  if ! command -v cargo >/dev/null; then
    problem "Rust is missing: the services are compiled from their source" "install it with rustup: https://rustup.rs"
  elif ! at_least "$wanted" "$(cargo --version | cut -d' ' -f2)"; then
    problem "$(cargo --version) is too old: the services need Rust $wanted" "install Rust with rustup: https://rustup.rs"
  elif ! [ -d "$(rustc --print target-libdir --target "$(uname -m)-unknown-linux-musl")" ]; then
    problem "this Rust has no standard library for $(uname -m)-unknown-linux-musl, which the images are built for" \
      "install Rust with rustup (https://rustup.rs), or that target with the system's package manager"
  fi
}

check_go() {
  local wanted have
  wanted=$(awk '$1 == "go" { print $2 }' "$here/go.mod")
  if ! command -v go >/dev/null; then
    problem "Go is missing: Kubernetes is compiled from its Go modules" "install Go $wanted or newer: https://go.dev/dl"
    return
  fi
  have=$(cd / && go env GOVERSION)
  # From 1.21 on Go fetches a newer toolchain by itself, unless it is told not to.
  at_least "$wanted" "${have#go}" || { at_least 1.21 "${have#go}" && [ "$(cd / && go env GOTOOLCHAIN)" != local ]; } ||
    problem "Go ${have#go} is too old: Kubernetes needs Go $wanted" "install Go $wanted or newer: https://go.dev/dl"
}

# at_least WANTED HAVE: whether version HAVE is WANTED or newer.
at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# check_git: the scripts to lint are those that git knows.
check_git() {
  command -v git >/dev/null || problem "git is missing" "install it with the system's package manager: apt-get install git"
}

# check_memory MIB WHAT
check_memory() {
  local available
  available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  ((available >= $1)) || problem "only $available MiB of memory are available: $2 $1 MiB" \
    "end something that needs memory, or use 'make run', which needs a few MiB"
}

# check_inotify COUNT: a node's kubelet, containerd and pods watch files with 13 or 14 inotify instances (measured: 27 for two), of which a user has 128 as
# a rule. Without one a server starts and fails later, with words that name no cause ("too many open files").
check_inotify() {
  local left
  left=$(inotify_left)
  ((left >= $1)) || problem "only $left of this user's $(cat /proc/sys/fs/inotify/max_user_instances) inotify instances are left: the cluster needs $1" \
    "stop another cluster, or allow more: sysctl fs.inotify.max_user_instances=512"
}

# inotify_left: how many instances this user may still make.
inotify_left() {
  local used
  # Processes that end meanwhile are no fault.
  used=$({ find /proc/[0-9]*/fd -user "$(id -u)" -lname 'anon_inode:inotify' 2>/dev/null || true; } | wc -l)
  echo $(($(cat /proc/sys/fs/inotify/max_user_instances) - used))
}

# What the README's two commands take of the disk where nothing is built yet, with all caches: MiB. `cluster/fresh` measures it.
declare -A disk=([up]=10240 [test]=28672)

# check_disk MIB FOLDER WHAT
check_disk() {
  local folder=$2 free
  while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
  free=$(df --output=avail -m "$folder" | tail -n 1)
  ((free >= $1)) || problem "only $((free)) MiB of disk are free for $2: $3 $1 MiB" "make room on that disk"
}

# check_kernel FOLDER: namespaces, cgroups, links, firewall rules of their own, and overlays in FOLDER, each tried where what
# tries it is installed already.
check_kernel() {
  local controller missing=() scratch
  if ! unshare --mount --net --pid --uts --ipc --fork true 2>/dev/null; then
    problem "this machine gives root no namespaces (unshare failed): nodes are made of them" \
      "use a virtual or physical machine, or a container that is privileged"
    return
  fi
  for controller in cpu memory pids; do
    [ -e "/sys/fs/cgroup/$controller" ] || grep -qsw "$controller" /sys/fs/cgroup/cgroup.controllers || missing+=("$controller")
  done
  ((${#missing[@]} == 0)) || problem "no cgroup controller for ${missing[*]} in /sys/fs/cgroup: the kubelet limits pods by it" \
    "mount cgroups there, or boot with the controllers switched on (cgroup_enable=memory)"
  if command -v ip >/dev/null; then
    unshare --net sh -c 'ip link add bridge0 type bridge && ip link add veth0 type veth peer name veth1' 2>/dev/null ||
      problem "the kernel makes no bridge or no veth link: nodes are connected by them" "load the modules: modprobe bridge veth"
  fi
  if command -v iptables >/dev/null; then
    unshare --net iptables --wait -t nat -A OUTPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT 2>/dev/null ||
      problem "iptables cannot write a NAT rule: Services are made of them" "load the modules: modprobe nf_nat nf_conntrack xt_conntrack iptable_nat"
  fi
  # Containers need an overlay file system; whether there can be one is best asked by mounting one.
  scratch=$(mktemp -d "$1/overlay.XXXXXX")
  mkdir "$scratch"/{lower,upper,work,merged}
  unshare --mount mount -t overlay -o "lowerdir=$scratch/lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/merged" 2>/dev/null ||
    problem "no overlay file system can be mounted in $1: containers need it" \
      "the kernel must have overlayfs (modprobe overlay), and the repository must lie on a plain disk (ext4, xfs, btrfs), not on overlayfs or a network disk"
  rm -rf "$scratch"
}

# check_port NAME PORT
check_port() {
  local owner
  (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null || return 0
  owner=$({ ss -Hltnp "sport = :$2" 2>/dev/null || true; } | sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/\1/p' | head -n 1)
  problem "port $2 of this machine is taken by ${owner:-a process that ss does not show}" \
    "end that process, or choose another port: $1=$(($2 + 1)) make up"
}
