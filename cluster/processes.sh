# shellcheck shell=bash disable=SC2154
# The processes of a cluster: started in sessions of their own, recorded, stopped by what was recorded. Sourced. A record is
# $run/NAME.pid: the process id and the time it started, which together name one process for ever. In bash, because `up` asks what
# runs before it has compiled anything, and `down` works after it could not. What keeps servers running inside of them is `keep`.

# record_and_run FILE COMMAND...: COMMAND, recorded by itself: there is no moment in which it runs unrecorded. Until it is, it holds
# the locks (8 and 9), so that a `down` after a Ctrl-C comes after it.
# shellcheck disable=SC2016
record_and_run='echo "$$ $(cut -d" " -f22 /proc/$$/stat)" >"$0" && exec "$@" 8>&- 9>&-'

# spawn_plain NAME COMMAND...: a process that outlives this script and its terminal.
spawn_plain() {
  local name=$1
  shift
  rm -f "$run/$name.pid"
  # The environment marks everything that a cluster started; `leftovers` looks for the mark.
  PRACTICE_CLUSTER=$run setsid bash -c "$record_and_run" "$run/$name.pid" "$@" </dev/null >"$log/$name.log" 2>&1 &
  until_true 5 alive "$name"
}

# What makes a command process 1 of namespaces of its own: they all end with it. `unshare` itself stays outside, and with
# --kill-child takes the rest with it, whatever kills it.
apart=(unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc)

# spawn NAME COMMAND...: the same in namespaces of its own. What is recorded is `unshare`.
spawn() {
  local name=$1
  shift
  spawn_plain "$name" "${apart[@]}" "$here/sandbox" "$run" "$@"
  until_true 5 separate "$name"
}

# separate NAME: whether it has left this script's network namespace.
separate() {
  [ "$(readlink "/proc/$(pid_of "$1")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# inside NAME COMMAND...: COMMAND in the network and the file system of what `spawn` started as NAME.
inside() {
  nsenter --target "$(pid_of "$1")" --net --mount -- "${@:2}"
}

pid_of() {
  local pid
  read -r pid _ <"$run/$1.pid"
  echo "$pid"
}

# since PID: when a process started that still runs. A zombie does not: it is its parent's to collect.
since() {
  local fields
  read -ra fields 2>/dev/null <"/proc/$1/stat" && [ "${fields[2]}" != Z ] && echo "${fields[21]}"
}

# alive NAME: whether the very process that was recorded still runs.
alive() {
  local pid started
  read -r pid started 2>/dev/null <"$run/$1.pid" && [ "$(since "$pid")" = "$started" ]
}

# ended PID...: whether none of these processes runs any more.
ended() {
  local pid
  for pid; do if since "$pid" >/dev/null; then return 1; fi; done
}

# stop NAME: ends it at once, as the loss of power would; there is nothing to save.
stop() {
  local pid children
  [ -e "$run/$1.pid" ] || return 0
  if alive "$1"; then
    pid=$(pid_of "$1")
    # Process 1 of a namespace ends only after all others of it.
    read -ra children <"/proc/$pid/task/$pid/children" || true
    kill -KILL "$pid"
    until_true 10 ended "$pid" "${children[@]}"
  fi
  rm -f "$run/$1.pid"
}

# memory_of_cluster: MiB of all its processes, pods included, each shared page divided among those who share it. They carry its
# mark, or live on its file systems.
memory_of_cluster() {
  { grep -lszxF "PRACTICE_CLUSTER=$run" /proc/[0-9]*/environ || true; grep -lsF "$run/" /proc/[0-9]*/mountinfo || true; } |
    cut -d/ -f3 | sort -u | while read -r pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
    awk '/^Pss:/ { kib += $2 } END { print int(kib / 1024) }'
}

# remove_cgroup NAME: a cgroup whose processes have ended; version 1 has one in the tree of each controller.
remove_cgroup() {
  local directory
  for directory in /sys/fs/cgroup/*/"$1" /sys/fs/cgroup/"$1"; do
    [ ! -e "$directory" ] || until_true 10 find "$directory" -depth -type d -exec rmdir {} +
  done
}
