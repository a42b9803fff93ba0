# shellcheck shell=bash disable=SC2034
# Redis for tests. (SC2034: `command` belongs to the caller.)

# Tests of faults start, kill and restart servers of their own, with certificates made by openssl.
redis_packages() { echo redis-server:redis-server openssl:openssl; }
redis_crates() { echo ttl-redis redis; }

redis_ready() { echo "Ready to accept connections"; }
redis_port() { echo 6379; }
redis_url() { echo "redis://127.0.0.1:$1"; }
redis_columns() { echo "Redis=$1"; }

redis_built_image() { echo ttl-store-test/redis:7.0; }
redis_build_image() { image_from_packages "$1" "$2" redis-server; }

# Nothing is to be kept, and a container's port is reached from outside of it.
redis_container() { command=(redis-server --save '' --bind 0.0.0.0 --protected-mode no); }
redis_plain() { command=(redis-server --port "$1" --dir "$2" --save '' --bind 127.0.0.1); }
