# shellcheck shell=bash disable=SC2154
# Servers for tests. A file in servers/ defines the differences of each server.
# (SC2154: server_names is filled by load_servers.)
#
# The file NAME.sh defines
#   NAME_packages          prints the commands that tests call, as "command:package ..."
#   NAME_crates            prints the crates that a build without this driver must not contain
#   NAME_ready             prints a part of the log line that reports readiness, or nothing to only wait for an answer
#   NAME_ask               prints a request that the server answers, whatever the answer is
#   NAME_port              prints the port in a container
#   NAME_url PORT          prints the URL on this machine
#   NAME_environment       prints the environment variables that clients need, as "NAME=VALUE ..."
#   NAME_columns URL       prints the columns of the compatibility matrix, as lines LABEL=URL
#   NAME_version           prints the name and version for the matrix, if the server does not report them
#   NAME_built_image       prints the name of the image that is built if none can be pulled
#   NAME_image_packages    prints the Debian packages of that image
#   NAME_build_image IMAGE DIR   builds it
#   NAME_container         sets `command` to the command in a container
#   NAME_plain PORT DIR    sets `command` to the command of a plain process; downloads the server first

# variable_of redis URL: prints TTL_TEST_REDIS_URL
variable_of() { printf 'TTL_TEST_%s_%s' "${1^^}" "$2"; }

# Ensures that the commands that tests call are installed.
ensure_commands() {
  local name pair
  for name in "${server_names[@]}"; do
    for pair in $(call "$name" packages); do
      need "required by the tests of $name" "${pair%%:*}" "${pair#*:}" || true
    done
  done
}

# answers SERVER PORT: checks whether the server answers. A mapped port accepts connections even without a listener.
answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$2" && call "$1" ask >&3 && LC_ALL=C read -r -t 2 -N 1 -u 3) 2>/dev/null
}

# lacking SERVER: prints the variables that clients need and the environment lacks, as "NAME=VALUE ...".
lacking() {
  local pair variable
  for pair in $(call "$1" environment); do
    variable=${pair%%=*}
    [[ -n ${!variable:-} ]] || echo "$pair"
  done
}

# export_environment SERVER: exports these variables.
export_environment() {
  local pair
  for pair in $(lacking "$1"); do export "${pair?}"; done
}

# start_plain SERVER DIR: starts a plain process on a free port; sets `url`.
start_plain() {
  local name=$1 dir=$2 port command
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    mkdir -p "$dir/$name"
    call "$name" plain "$port" "$dir/$name" || return 1
    have "${command[0]}" || { say "$name: ${command[0]} is not installed"; return 1; }
    start "$dir/$name.pid" "$dir/$name.out" "${command[@]}"
    if wait_for 120 "$dir/$name.pid" grep -qF "$(call "$name" ready)" "$dir/$name.out" &&
      wait_for 120 "$dir/$name.pid" answers "$name" "$port"; then
      url=$(call "$name" url "$port")
      say "$name: started a plain process at $url"
      return
    fi
    # Another process may have taken the port meanwhile.
    stop "$dir/$name.pid"
  done
  say "$name: the process did not start: $(tail -n 1 "$dir/$name.out")"
  return 1
}

# start_container SERVER IMAGE DIR: starts a container that keeps running; sets `url` and stores the id in DIR.
start_container() {
  local name=$1 image=$2 dir=$3 command id port mapped
  call "$name" container
  port=$(call "$name" port)
  id=$(docker run --detach --publish "127.0.0.1::$port" "$image" "${command[@]}") || return 1
  echo "$id" >"$dir/$name.container"
  for _ in {1..1200}; do
    mapped=$(docker port "$id" "$port/tcp" | head -n 1)
    mapped=${mapped##*:}
    if docker logs "$id" 2>&1 | grep -qF "$(call "$name" ready)" && answers "$name" "$mapped"; then
      url=$(call "$name" url "$mapped")
      say "$name: started a container from $image at $url"
      return
    fi
    [[ $(docker inspect --format '{{.State.Running}}' "$id") == true ]] || break
    sleep 0.1
  done
  say "$name: the container did not start: $(docker logs "$id" 2>&1 | tail -n 1)"
  return 1
}

# stop_servers DIR: stops the processes and containers that start_plain and start_container recorded in DIR.
stop_servers() {
  local dir=$1 name id
  for name in "${server_names[@]}"; do
    if [[ -e $dir/$name.pid ]]; then
      say "$name: stopping its process"
      stop "$dir/$name.pid"
    fi
    if [[ -e $dir/$name.container ]]; then
      id=$(<"$dir/$name.container")
      if docker_answers && docker inspect "$id" >/dev/null 2>&1; then
        say "$name: removing its container"
        docker rm --force --volumes "$id" >/dev/null
      fi
      rm -f "$dir/$name.container"
    fi
  done
}
