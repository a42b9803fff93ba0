# shellcheck shell=bash
# What every script here uses: plain words, packages, processes that are ours and no other.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# A root shell may come without them, and dockerd and debootstrap are there.
PATH=$PATH:/usr/sbin:/sbin

# All words go to standard error: the output of `scripts/servers env` is for a shell to evaluate.
say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { type -P "$1" >/dev/null; }
in_ci() { [[ ${CI:-} == true || ${CI:-} == 1 ]]; }
is_root() { [[ $(id -u) == 0 ]]; }

# Runs a function of a server's file: call redis ready
call() { "$1_$2" "${@:3}"; }

# One file per server; a new one joins by being there.
server_names=()
load_servers() {
  local file
  for file in "$root"/scripts/lib/servers/*.sh; do
    # shellcheck source=/dev/null
    source "$file"
    server_names+=("$(basename "$file" .sh)")
  done
}

# Removes a folder, and first what an interrupted build of an image left mounted in it.
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

# need WHY COMMAND PACKAGE...: makes sure that a command is there, or says how to get it and answers no.
need() {
  local why=$1 command=$2
  shift 2
  have "$command" && return
  if may_install; then
    say "Installing $* ($why)"
    install_packages "$@" && have "$command" && return
    say "$command is still missing after that"
  else
    say "$command is missing ($why). On Debian, as root: apt-get install $*; or run this as root with --install"
  fi
  return 1
}

install_packages() {
  local log policy=/usr/sbin/policy-rc.d ours='' status=0
  log=$(mktemp)
  # A package's own start of its service would leave a process behind: refused while packages are installed.
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

# When a process started, in words that another process of the same id would not have. Nothing for one that has ended
# and still has its number, because nobody has waited for it.
born() {
  local fields
  if [[ -e /proc/self/stat ]]; then
    # The name, in brackets, may hold spaces; state and start are the 1st and the 20th field after it.
    read -ra fields < <(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 0
    [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
  else
    ps -o lstart= -p "$1" 2>/dev/null
  fi
}

# remember FILE PID / runs FILE / stop FILE: a process that we started, and no later one that got its number.
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
      ((++tenths < 200)) || { say "Process $pid does not end: killing it"; kill -KILL "$pid" 2>/dev/null || true; break; }
      sleep 0.1
    done
  fi
  rm -f "$file"
}

# start FILE LOG COMMAND...: starts it in the background, in a session of its own, so that Ctrl-C does not reach it.
start() {
  local file=$1 log=$2
  shift 2
  if have setsid; then set -- setsid "$@"; fi
  "$@" >"$log" 2>&1 </dev/null &
  remember "$file" $!
}

# wait_for SECONDS FILE COMMAND...: until the command succeeds; no if the process in FILE ends before.
wait_for() {
  local tenths=$(($1 * 10)) file=$2
  shift 2
  while ! "$@"; do
    { ((tenths-- > 0)) && runs "$file"; } || return 1
    sleep 0.1
  done
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the ports that systems hand out by themselves.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 10000))
    if port_is_free "$port"; then echo "$port"; return; fi
  done
  return 1
}
