# shellcheck shell=bash
# Progress and errors, the same for every script here: sourced, not run.

# Scripts that call each other share one clock: seconds since the epoch, with a fraction.
export PROGRESS_START=${PROGRESS_START:-$EPOCHREALTIME}
# Where the laps are written down, which the Makefile may say, and when the one that runs began.
LOGS=${LOGS:-.cluster/log}
lap_began=$EPOCHREALTIME
# How long the processors have been busy, in hundredths of a second: user, nice, system, irq and softirq of proc(5)'s /proc/stat.
busy() {
  local user nice system irq softirq
  read -r _ user nice system _ _ irq softirq _ </proc/stat
  busy=$((user + nice + system + irq + softirq))
}
busy
lap_busy=$busy

# say TEXT: one progress line with the time since the start.
say() {
  awk -v now="$EPOCHREALTIME" -v start="$PROGRESS_START" -v text="$*" 'BEGIN { printf "[%6.1fs] %s\n", now - start, text }'
}

# fail TEXT...: says what is wrong and how to mend it, a line each, and ends the script.
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '       %s\n' "$@" >&2; fi
  exit 1
}

# usage: what the script says of itself at its head. With a wrong call that is all it does.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

wrong_call() {
  usage >&2
  exit 64
}

# How many times as long as elsewhere every wait may take on this machine: 1, and some 10 where the processor is emulated.
export PATIENCE=${PATIENCE:-1}
[[ $PATIENCE =~ ^[1-9][0-9]?$ ]] || fail "PATIENCE=$PATIENCE is not accepted" "use a whole number from 1 to 99: every wait may take so many times as long"

# taken: how long the processes that this shell started, and that have ended, had the CPU, in hundredths of a second: cutime and cstime
# of proc(5)'s /proc/PID/stat.
taken() {
  local stat
  read -ra stat <"/proc/$BASHPID/stat"
  taken=$((stat[15] + stat[16]))
}

# step FILE TEXT COMMAND...: runs COMMAND with its output in FILE, then says TEXT, and what it took of the CPU if that is 5 s or more;
# shows the end of FILE if COMMAND fails. While it runs, a terminal shows the time go by, and a log gets a line every 20 s.
step() {
  local output=$1 text=$2 status ticker taken before
  shift 2
  taken
  before=$taken
  # Without the locks of this script: they must not outlive it.
  tick "$text" "$output" 7>&- 8>&- 9>&- &
  ticker=$!
  # `if !` or `||` would switch `set -e` off inside COMMAND.
  set +e
  (set -e; "$@") >"$output" 2>&1 </dev/null
  status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  set -e
  [ ! -t 1 ] || printf '\r\e[K'
  if ((status == 0)); then
    taken
    if ((taken - before < 500)); then say "$text"; else say "$text ($(((taken - before) / 100)) s of the CPU)"; fi
    return
  fi
  say "FAILED: $text" >&2
  tail -n 20 "$output" | sed 's/^/    /' >&2
  if grep -qE 'network is unreachable|no such host|Temporary failure (in name resolution|resolving)|Could not resolve|i/o timeout|TLS handshake timeout|connection timed out' "$output"; then
    fail "something could not be downloaded, see above" \
      "check this machine's network and proxy settings, then run the same command again: it goes on where it stopped" \
      "all that was printed: $output"
  fi
  printf '    log: %s\n' "$output" >&2
  exit 1
}

# units TOTAL, and COMMAND | unit: what a step prints to its log so that its progress can be told: how many parts it has, and a
# line for each that is done.
units() {
  echo "units: $1"
}

unit() {
  sed -u 's/^/unit: /'
}

# how_far FILE: how many units of how many are done, if the step that writes FILE tells.
how_far() {
  awk '/^units: / { total = $2; done = 0 } /^unit: / { done++ } END { if (total) printf " (%d of %d)", (done < total ? done : total), total }' "$1"
}

# tick TEXT FILE: tells that TEXT is under way and how far, until it is killed, or the script it belongs to is.
tick() {
  local pause=20
  [ ! -t 1 ] || pause=1
  # A read that never ends is a sleep without a process, which nobody would have to end as well.
  until read -rt $pause _ <> <(:) || (($? <= 128)); do
    kill -0 $$ 2>/dev/null || return 0
    if [ -t 1 ]; then printf '\r%s ...%s\e[K' "$(say "$1")" "$(how_far "$2")"; else say "... $1$(how_far "$2")"; fi
  done
}

# until_true SECONDS COMMAND...: waits until COMMAND succeeds; fails after SECONDS, or PATIENCE times that, with COMMAND's
# last output.
until_true() {
  local limit=$((SECONDS + $1 * PATIENCE)) said
  shift
  until said=$("$@" 2>&1); do
    if ((SECONDS >= limit)); then
      printf 'not so in time: %s\n%s\n' "$*" "$said" >&2
      return 1
    fi
    sleep 0.1
  done
}

# side_by_side COMMAND ARGUMENT...: COMMAND for each ARGUMENT, all at the same time. Fails if one does, once all have ended.
side_by_side() {
  local command=$1 argument process running=() failed=0
  for argument in "${@:2}"; do
    "$command" "$argument" &
    running+=($!)
  done
  for process in "${running[@]}"; do wait "$process" || failed=1; done
  return $failed
}

# lap NAME: writes down how long it is since the lap before, or since the script began, and for how many seconds the processors of the
# machine were busy meanwhile, whatever with; `e2e/times` lists the laps. One called "PART: NAME" is within the lap PART, which follows
# it: the shell that the part runs in is not the one that counts the parts.
lap() {
  local now=$EPOCHREALTIME busy
  busy
  mkdir -p "$LOGS"
  awk -v now="$now" -v since="$lap_began" -v busy="$busy" -v before="$lap_busy" -v name="$1" \
    'BEGIN { printf "%.1f\t%.1f\t%s\n", now - since, (busy - before) / 100, name }' >>"$LOGS/laps"
  lap_began=$now lap_busy=$busy
}
