# shellcheck shell=bash disable=SC2034,SC2154
# ScyllaDB for tests. If its image cannot be pulled, Apache Cassandra replaces it: no package registry has ScyllaDB.
# (`command` belongs to the caller, `folder` is set by maven_folder, `root` by common.sh.)

# Tests of clusters start, stop and restart nodes of Cassandra.
scylla_packages() { echo java:openjdk-17-jre-headless mvn:maven; }
scylla_crates() { echo ttl-scylla scylla; }

# The log lines of the two servers differ; both answer only when they are ready.
scylla_ready() { echo; }
# An OPTIONS frame.
scylla_ask() { printf '\x04\0\0\0\x05\0\0\0\0'; }
scylla_port() { echo 9042; }
# The keyspace and the table are created on the first connection.
scylla_url() { echo "scylla://127.0.0.1:$1/ttl_store_test/entries?ensure_schema=true&replication=1"; }
scylla_environment() { :; }
# The suite creates a table for each case, in the mode of the URL.
scylla_columns() { printf '%s\n' "CQL strict=$1&mode=strict" "CQL lww=$1&mode=lww"; }
# Both servers report their versions.
scylla_version() { :; }

# The name also contains a checksum of the files that are copied into the image.
scylla_built_image() {
  local files
  files=$(cat "$root"/scripts/lib/servers/cassandra/* | cksum)
  echo "ttl-store-test/cassandra:$(maven_version cassandra)-${files%% *}"
}
scylla_image_packages() { echo openjdk-17-jre-headless; }
# Arguments after the `sh -c` script are ignored: the command of the containers is for ScyllaDB's image.
scylla_build_image() {
  local image=$1 dir=$2
  maven_folder cassandra "$dir" || return 1
  rm -rf "$dir/cassandra"
  cp -r "$folder" "$dir/cassandra" && cp "$root"/scripts/lib/servers/cassandra/* "$dir/cassandra" || return 1
  image_with_folder "$image" "$dir" "$dir/cassandra" /opt/cassandra --change \
    'ENTRYPOINT ["sh", "-c", "exec ./node . /var/lib/cassandra 127.0.0.1 127.0.0.1:7000 9042 7000 0.0.0.0"]' &&
    rm -rf "$dir/cassandra"
}

scylla_container() { command=(--smp 1 --memory 1G --overprovisioned 1 --developer-mode 1); }
scylla_plain() {
  local storage
  need "required by Cassandra" java openjdk-17-jre-headless && maven_folder cassandra "$2" || return 1
  storage=$(free_port) || return 1
  command=("$root/scripts/lib/servers/cassandra/node" "$folder" "$2" 127.0.0.1 "127.0.0.1:$storage" "$1" "$storage")
}
