# shellcheck shell=bash disable=SC2034,SC2154
# Redis for tests. (`command` belongs to the caller, `base` is set by base_image.)

# Tests of faults start, kill and restart their own servers, with certificates created by openssl.
redis_packages() { echo redis-server:redis-server openssl:openssl; }
redis_crates() { echo ttl-redis redis; }

redis_ready() { echo "Ready to accept connections"; }
redis_ask() { printf 'PING\r\n'; }
redis_port() { echo 6379; }
redis_url() { echo "redis://127.0.0.1:$1"; }
redis_environment() { :; }
redis_columns() { echo "Redis=$1"; }
redis_version() { redis-server --version | sed 's/.* v=\([^ ]*\).*/Redis \1/'; }

redis_built_image() { echo ttl-store-test/redis:7.0; }
redis_image_packages() { echo redis-server; }
redis_build_image() { base_image "$2" && docker tag "$base" "$1"; }

# No data is saved, and a container's port is accessed from outside the container.
redis_container() { command=(redis-server --save '' --bind 0.0.0.0 --protected-mode no); }
redis_plain() { command=(redis-server --port "$1" --dir "$2" --save '' --bind 127.0.0.1); }
