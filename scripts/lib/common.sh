# shellcheck shell=bash
# Functions for all scripts: messages, packages, and processes that these scripts started.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The PATH of a root shell may lack these folders, which contain dockerd and debootstrap.
PATH=$PATH:/usr/sbin:/sbin

# All messages go to standard error, because a shell evaluates the output of `scripts/servers env`.
say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { type -P "$1" >/dev/null; }
in_ci() { [[ ${CI:-} == true || ${CI:-} == 1 ]]; }
is_root() { [[ $(id -u) == 0 ]]; }

# Runs a function of a server's file: call redis ready
call() { "$1_$2" "${@:3}"; }

# Loads one file per server; a new file needs no registration.
server_names=()
load_servers() {
  local file
  for file in "$root"/scripts/lib/servers/*.sh; do
    # shellcheck source=/dev/null
    source "$file"
    server_names+=("$(basename "$file" .sh)")
  done
}

# Removes a folder. First unmounts file systems that an interrupted build of an image left in it.
discard() {
  local mounted
  while read -r mounted; do umount "$mounted" || true; done < <(
    cut -d' ' -f5 /proc/self/mountinfo 2>/dev/null | grep "^$1/" | sort -r
  )
  rm -rf "$1"
}

# --- packages ---------------------------------------------------------------------------------------------------------

install_allowed=

# Whether packages may be installed on this machine: as root, in CI or when asked with --install.
may_install() { is_root && have apt-get && { in_ci || [[ -n $install_allowed ]]; }; }

# need WHY COMMAND PACKAGE...: installs a missing command, or prints how to install it and fails.
need() {
  local why=$1 command=$2
  shift 2
  have "$command" && return
  if may_install; then
    say "Installing $* ($why)"
    install_packages "$@" && have "$command" && return
    say "$command is still missing after the installation"
  else
    say "$command not found ($why). Install it on Debian with: apt-get install $*; or run this script as root with --install"
  fi
  return 1
}

install_packages() {
  local log policy=/usr/sbin/policy-rc.d ours='' status=0
  log=$(mktemp)
  # Packages must not start their services, which would leave processes behind.
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1
  fi
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
    >"$log" 2>&1 </dev/null || status=$?
  [[ -z $ours ]] || rm -f "$policy"
  [[ $status == 0 ]] || { say "apt-get failed:"; tail -n 5 "$log" >&2; }
  rm -f "$log"
  return "$status"
}

# --- processes --------------------------------------------------------------------------------------------------------

# Prints the start time of a process, which distinguishes it from a later process with the same id. Prints nothing for a
# zombie.
born() {
  local fields
  if [[ -e /proc/self/stat ]]; then
    # The name, in brackets, may contain spaces; state and start are the 1st and the 20th field after it.
    read -ra fields < <(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 0
    [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
  else
    ps -o lstart= -p "$1" 2>/dev/null
  fi
}

# remember FILE PID / runs FILE / stop FILE: handle a process that a script started, and never a later one with its id.
remember() { printf '%s\n%s\n' "$2" "$(born "$2")" >"$1"; }

runs() {
  local pid start
  { read -r pid && read -r start; } 2>/dev/null <"$1" || return 1
  [[ -n $start && $(born "$pid") == "$start" ]]
}

stop() {
  local file=$1 pid tenths=0
  if runs "$file"; then
    read -r pid <"$file"
    kill -TERM "$pid" 2>/dev/null || true
    while runs "$file"; do
      ((++tenths < 200)) || { say "Process $pid did not end; killing it"; kill -KILL "$pid" 2>/dev/null || true; break; }
      sleep 0.1
    done
  fi
  rm -f "$file"
}

# start FILE LOG COMMAND...: starts it in the background, in its own session, so that Ctrl-C does not reach it.
start() {
  local file=$1 log=$2
  shift 2
  if have setsid; then set -- setsid "$@"; fi
  "$@" >"$log" 2>&1 </dev/null &
  remember "$file" $!
}

# wait_for SECONDS FILE COMMAND...: waits until the command succeeds; fails if the process in FILE ends first.
wait_for() {
  local tenths=$(($1 * 10)) file=$2
  shift 2
  while ! "$@"; do
    { ((tenths-- > 0)) && runs "$file"; } || return 1
    sleep 0.1
  done
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Chooses a port below those that systems assign automatically.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 10000))
    if port_is_free "$port"; then echo "$port"; return; fi
  done
  return 1
}
