#!/bin/sh
# Starts Kafka and Kafka UI in Docker and waits until Kafka is ready.
set -u
cd "$(dirname "$0")" || exit 1
file=docker-compose.kafka.yml
# Seconds that Kafka may take to become ready; the first start also formats its volume.
patience=180

case "${1:-}" in
    '') ;;
    -h | --help)
        cat <<HELP
Usage: ./start-kafka.sh

Starts what $file describes, and waits until Kafka is ready:
  Kafka     localhost:9092
  Kafka UI  http://localhost:8080
There is no ZooKeeper: Kafka 4 does without.

Stop it with:         docker compose -f $file down
Remove its messages:  docker compose -f $file down -v
HELP
        exit 0
        ;;
    *)
        echo "start-kafka.sh: it takes no '$1'; see ./start-kafka.sh --help" >&2
        exit 2
        ;;
esac

if ! command -v docker >/dev/null 2>&1; then
    cat >&2 <<'TEXT'
start-kafka.sh: Docker is not here (https://docs.docker.com/get-docker/).
Holdfast does not need it: `make run` runs everything in one process, without Kafka. Or set KAFKA_BROKERS to a Kafka
that you have.
TEXT
    exit 1
fi
if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
elif command -v docker-compose >/dev/null 2>&1; then
    compose="docker-compose"
else
    echo "start-kafka.sh: Docker is here, its Compose is not (https://docs.docker.com/compose/install/)." >&2
    exit 1
fi
if ! said=$(docker info 2>&1 >/dev/null); then
    echo "start-kafka.sh: Docker does not run, or you may not use it:" >&2
    printf '%s\n' "$said" >&2
    exit 1
fi

$compose -f "$file" up -d || {
    echo "start-kafka.sh: not started. Port 8080 or 9092 may be taken: 'make run' has 8080, for one." >&2
    exit 1
}

printf 'Waiting until Kafka is ready '
waited=0
while health=$(docker inspect --format '{{.State.Health.Status}}' kafka 2>/dev/null) && [ "$health" != healthy ]; do
    if [ "$health" = unhealthy ] || [ "$waited" -ge "$patience" ]; then
        health="not ready after $waited s ($health)"
        break
    fi
    printf .
    sleep 2
    waited=$((waited + 2))
done
echo
if [ "$health" != healthy ]; then
    echo "start-kafka.sh: Kafka is ${health:-gone}. The end of its log:" >&2
    docker logs --tail 30 kafka >&2
    exit 1
fi

cat <<TEXT
✅ Kafka: localhost:9092
✅ Kafka UI: http://localhost:8080
   (no ZooKeeper: Kafka 4 does without)

Next: cd services/orders && cargo run      and in another terminal: cd services/products && cargo run
Stop: $compose -f $file down
TEXT
