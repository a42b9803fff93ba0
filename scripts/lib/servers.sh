# shellcheck shell=bash disable=SC2154
# Servers for tests, one way for all: a file in servers/ says what differs.
# (SC2154: server_names is filled by load_servers.)
#
# The file NAME.sh offers
#   NAME_packages          what tests call by name, as "command:package ..."
#   NAME_crates            the crates that a build without this driver must not have
#   NAME_ready             part of the log line that says it accepts connections, or nothing: then it is only asked
#   NAME_ask               prints what it answers to, whatever the answer is
#   NAME_port              where it listens in a container
#   NAME_url PORT          its URL on this machine
#   NAME_environment       what clients of it need in the environment, as "NAME=VALUE ..."
#   NAME_columns URL       what of it stands in the compatibility matrix, as lines LABEL=URL
#   NAME_version           its name and version, for the matrix where it does not tell them
#   NAME_built_image       the name of the image that is built where none can be pulled
#   NAME_image_packages    the packages of Debian that are in it
#   NAME_build_image IMAGE DIR   builds it
#   NAME_container         its command in a container, in `command`
#   NAME_plain PORT DIR    its command as a plain process, in `command`; what it is made of is downloaded first

# variable_of redis URL: TTL_TEST_REDIS_URL
variable_of() { printf 'TTL_TEST_%s_%s' "${1^^}" "$2"; }

# Makes sure that what the tests themselves call is there.
ensure_commands() {
  local name pair
  for name in "${server_names[@]}"; do
    for pair in $(call "$name" packages); do
      need "tests of $name call it" "${pair%%:*}" "${pair#*:}" || true
    done
  done
}

# answers SERVER PORT: whether it has anything to say. A mapped port takes connections even when nobody listens behind it.
answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$2" && call "$1" ask >&3 && LC_ALL=C read -r -t 2 -N 1 -u 3) 2>/dev/null
}

# lacking SERVER: what clients need and the environment does not have, as "NAME=VALUE ...".
lacking() {
  local pair variable
  for pair in $(call "$1" environment); do
    variable=${pair%%=*}
    [[ -n ${!variable:-} ]] || echo "$pair"
  done
}

# export_environment SERVER: sets it.
export_environment() {
  local pair
  for pair in $(lacking "$1"); do export "${pair?}"; done
}

# start_plain SERVER DIR: a plain process on a free port; sets `url`.
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
      say "$name: a plain process at $url"
      return
    fi
    # Another process may have taken the port in between.
    stop "$dir/$name.pid"
  done
  say "$name: does not start: $(tail -n 1 "$dir/$name.out")"
  return 1
}

# start_container SERVER IMAGE DIR: a container that stays; sets `url` and keeps the container's id in DIR.
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
      say "$name: a container of $image at $url"
      return
    fi
    [[ $(docker inspect --format '{{.State.Running}}' "$id") == true ]] || break
    sleep 0.1
  done
  say "$name: the container does not start: $(docker logs "$id" 2>&1 | tail -n 1)"
  return 1
}

# stop_servers DIR: stops what start_plain and start_container left there.
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
