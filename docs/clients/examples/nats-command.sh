#!/bin/sh
# The `nats` command: publish with acknowledgement, listen live, read a durable, see a refusal.
#
# Arguments: the folder of the user's Secret, and how many messages. `NATS` names the command. The context
# in the folder names everything else, the JetStream domain too.
set -u
folder=$1 count=$2
context="$folder/nats-context.json"
nats=${NATS:-nats}
durable="$(cat "$folder/username")_ingest"

"$nats" --context "$context" sub --raw 'data.*' | sed -u 's/^/live /' &
"$nats" --context "$context" consumer sub --raw --ack DATA "$durable" | sed -u 's/^/durable /' &
sleep 1

number=0
while [ "$number" -lt "$count" ]; do
    # A server fell: again, under the same id, so that it is not stored twice.
    until told=$("$nats" --context "$context" pub --jetstream -H "Nats-Msg-Id:$$-$number" \
        data.vhf "message $number" 2>&1); do
        sleep 0.1
    done
    echo "stored message $number ${told##* }"
    number=$((number + 1))
done

# A refusal is told, and nothing is stored. The command itself would wait for an answer.
timeout 5 "$nats" --context "$context" pub --jetstream data.mdb 'not ours' 2>&1 |
    sed -n 's/.*permissions violation/refused permissions violation/p'
# Whoever runs this ends the two that listen.
wait
