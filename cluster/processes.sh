# shellcheck shell=bash disable=SC2154
# The processes of a cluster: started in sessions of their own, recorded, stopped by what was recorded. Sourced by `cluster`.
# A record is $run/NAME.pid: the process id and the time it started, which together name one process for ever.

# record_and_run FILE COMMAND...: COMMAND, recorded by itself: there is no moment in which it runs unrecorded.
# shellcheck disable=SC2016
record_and_run='echo "$$ $(cut -d" " -f22 /proc/$$/stat)" >"$0"; exec "$@"'

# spawn_plain NAME COMMAND...: a process that outlives this script and its terminal.
spawn_plain() {
  local name=$1
  shift
  rm -f "$run/$name.pid"
  # The environment marks everything that a cluster started; `leftovers` looks for the mark. 8 and 9 are locks.
  PRACTICE_CLUSTER=$run setsid bash -c "$record_and_run" "$run/$name.pid" "$@" </dev/null >"$log/$name.log" 2>&1 8>&- 9>&- &
  until_true 5 alive "$name"
}

# spawn NAME COMMAND...: the same in namespaces of its own, as process 1: they all end with it.
# `unshare` itself is recorded: it stays outside, and with --kill-child takes the rest with it, whatever kills it.
spawn() {
  local name=$1
  shift
  spawn_plain "$name" unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc "$here/sandbox" "$run" "$@"
  until_true 5 separate "$name"
}

# separate NAME: whether it has left this script's network namespace.
separate() {
  [ "$(readlink "/proc/$(pid_of "$1")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

pid_of() {
  local pid
  read -r pid _ <"$run/$1.pid"
  echo "$pid"
}

# alive NAME: whether the very process that was recorded still runs. A zombie does not: it is its parent's to collect.
alive() {
  local pid started fields
  read -r pid started 2>/dev/null <"$run/$1.pid" || return 1
  read -ra fields 2>/dev/null <"/proc/$pid/stat" || return 1
  [ "${fields[21]}" = "$started" ] && [ "${fields[2]}" != Z ]
}

# ended PID...: whether none of these processes runs any more.
ended() {
  local pid fields
  for pid in "$@"; do
    if read -ra fields 2>/dev/null <"/proc/$pid/stat" && [ "${fields[2]}" != Z ]; then return 1; fi
  done
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

# members: process ids of the cluster, pods included.
members() {
  local name space spaces=' ' directory
  for name in "$run"/*.pid; do
    name=$(basename "$name" .pid)
    alive "$name" || continue
    pid_of "$name"
    # The PID namespace that it opened, in which all its children and their children live.
    space=$(readlink "/proc/$(pid_of "$name")/ns/pid_for_children")
    [ "$space" = "$(readlink /proc/self/ns/pid)" ] || spaces+="$space "
  done
  for directory in /proc/[0-9]*; do
    case $spaces in *" $(readlink "$directory/ns/pid" 2>/dev/null || echo none) "*) echo "${directory#/proc/}" ;; esac
  done
}

# memory_of_cluster: MiB, each shared page divided among those who share it.
memory_of_cluster() {
  members | while read -r pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
    awk '/^Pss:/ { kib += $2 } END { print int(kib / 1024) }'
}
