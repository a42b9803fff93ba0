# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# Docker: finds a client for the daemon, starts a daemon if none runs, and pulls images or builds them from packages.
# (SC2016: apt-get expands $(..) itself. SC2034: docker_why is for the script that sources this. SC2154: server_names is
# filled by load_servers.)

docker_client=
docker_why=

docker() { timeout "${docker_patience:-60}" "$docker_client" "$@" </dev/null; }

# Selects the first client that works: a machine may have several, and a new client may refuse an old daemon.
docker_answers() {
  local client
  while read -r client; do
    if timeout 10 "$client" version --format '{{.Server.Version}}' >/dev/null 2>&1 </dev/null; then
      docker_client=$client
      return
    fi
  done < <(type -ap docker)
  return 1
}

# docker_up DIR: ensures that a daemon answers, or sets docker_why to the reason. The process id of a daemon started here
# is stored in DIR/dockerd.pid.
docker_up() {
  if docker_answers; then
    say "Docker: a daemon is running"
    return
  fi
  if [[ -n ${DOCKER_HOST:-} ]]; then docker_why="DOCKER_HOST=$DOCKER_HOST does not answer"; return 1; fi
  if ! is_root; then docker_why="no daemon answers, and only root can start one"; return 1; fi
  if ! need "required for containers" dockerd docker.io || ! need "required for containers" docker docker-cli; then
    docker_why="not installed"
    return 1
  fi
  if is_running dockerd; then
    # Another process may be starting it.
    for _ in {1..20}; do docker_answers && return; sleep 1; done
    docker_why="a daemon is running but does not answer"
    return 1
  fi
  clear_leftovers
  say "Docker: starting dockerd in the background; it is stopped with the servers"
  # With its own pid file, this daemon ignores the pid file of a killed daemon.
  start "$1/dockerd.pid" "$1/dockerd.out" dockerd --pidfile "$1/dockerd.own.pid"
  if wait_for 60 "$1/dockerd.pid" docker_answers; then return; fi
  docker_why="dockerd did not start: $(grep -v level=info "$1/dockerd.out" | tail -n 1)"
  docker_down "$1"
  return 1
}

docker_down() {
  runs "$1/dockerd.pid" || return 0
  say "Docker: stopping dockerd"
  stop "$1/dockerd.pid"
}

# Checks whether a process with this name runs.
is_running() {
  local comm pid
  for comm in /proc/[0-9]*/comm; do
    pid=${comm//[!0-9]/}
    if [[ $(cat "$comm" 2>/dev/null) == "$1" && -n $(born "$pid") ]]; then return; fi
  done
  return 1
}

# Removes the socket and the pid file of a killed containerd. dockerd would take the socket for a running containerd, and
# the pid file too if another process now has that id, and would wait forever.
clear_leftovers() {
  local file
  if is_running containerd; then return; fi
  for file in /run/containerd/containerd.sock /run/docker/containerd/containerd.{pid,sock}; do
    if [[ -e $file ]]; then
      say "Docker: removing $file of a containerd that no longer runs"
      rm -f "$file"
    fi
  done
}

# --- images -----------------------------------------------------------------------------------------------------------

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# ensure_image SERVER DIR: sets `image` to an image on this machine: the pinned one, pulled if necessary, or one built
# here.
ensure_image() {
  local name=$1 dir=$2 variable pinned built
  variable=$(variable_of "$name" IMAGE)
  pinned=${!variable:-$(<"$root/conformance-tests/src/servers/$name.image")}
  built=$(call "$name" built_image)
  image=$pinned
  if has_image "$image"; then return; fi
  say "Docker: pulling $pinned, for at most 60 s"
  if docker_patience=60 docker pull --quiet "$pinned" >/dev/null 2>"$dir/pull"; then return; fi
  say "Docker: the image could not be pulled ($(tail -n 1 "$dir/pull"))"
  [[ -z ${!variable:-} ]] || return 1
  image=$built
  if has_image "$image"; then say "Docker: using $image from an earlier build"; return; fi
  call "$name" build_image "$image" "$dir"
}

# base_image DIR: sets `base` to one image with the packages of all servers.
base_image() {
  local packages
  packages=$(for name in "${server_names[@]}"; do call "$name" image_packages; done | sort -u | paste -sd, -)
  base=ttl-store-test/base:$(cksum <<<"$packages" | cut -d' ' -f1)
  has_image "$base" || image_from_packages "$base" "$1" "$packages"
}

# image_with_folder IMAGE DIR FOLDER PLACE OPTIONS: builds the base image with the content of FOLDER in PLACE, its working
# directory. OPTIONS are those of docker commit.
image_with_folder() {
  local image=$1 dir=$2 folder=$3 place=$4 base id status=0
  base_image "$dir" || return 1
  id=$(docker create "$base" true) || return 1
  docker cp "$folder/." "$id:$place" >/dev/null &&
    docker commit --change "WORKDIR $place" "${@:5}" "$id" "$image" >/dev/null || status=1
  docker rm "$id" >/dev/null || true
  return "$status"
}

# image_from_packages IMAGE DIR PACKAGES: builds a Debian of this machine's release with these packages (separated by
# commas), from the mirror that this machine's apt uses.
image_from_packages() {
  local image=$1 tree=$2/image packages=$3 codename mirror components seconds=$SECONDS
  is_root || { say "Docker: only root can build $image from packages"; return 1; }
  need "required to build $image" debootstrap debootstrap debian-archive-keyring || return 1
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  mirror=$(apt_targets "$codename" '$(REPO_URI)' | head -n 1)
  components=$(apt_targets "$codename" '$(COMPONENT)' | paste -sd, -)
  [[ -n $mirror ]] || { say "Docker: apt has no mirror of $codename, from which $image could be built"; return 1; }
  say "Docker: building $image from packages of $mirror $codename, which takes about a minute"
  if ! debootstrap --variant=minbase --components="$components" --include="$packages" \
    "$codename" "$tree" "$mirror" >"$2/debootstrap" 2>&1 </dev/null; then
    say "debootstrap failed: $(tail -n 1 "$2/debootstrap")"
    return 1
  fi
  rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
  tar -C "$tree" -c . | timeout 120 "$docker_client" import - "$image" >/dev/null || return 1
  discard "$tree"
  say "Docker: built $image in $((SECONDS - seconds)) s; later runs use it again"
}

# apt_targets RELEASE FORMAT: prints the index targets of this machine's sources.
apt_targets() {
  apt-get indextargets --format "\$(RELEASE) $2" 'Identifier: Packages' |
    sed -n "s/^$1 //p" | sort -u
}

# --- containers -------------------------------------------------------------------------------------------------------

# Removes containers that killed tests left. They are found by the label of this run, which all containers have.
sweep_containers() {
  local label=$1 ids
  [[ -n $docker_client ]] || return 0
  # Interrupted tests remove their own containers; concurrent removals would disturb each other.
  for _ in {1..20}; do
    ids=$(docker ps --all --quiet --filter "label=$label" 2>/dev/null) || return 0
    [[ -n $ids ]] || return 0
    sleep 0.2
  done
  say "Docker: removing containers that tests left"
  # shellcheck disable=SC2086 # one word each
  docker rm --force --volumes $ids >/dev/null
}
