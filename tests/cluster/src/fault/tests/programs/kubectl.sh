#!/bin/sh
# Stands where a test has a kubectl: writes down beside itself what it is told, and knows two nodes.
echo kubectl "$@" >>"$(dirname "$0")/log"
[ "$1" = get ] && cat <<'NODES'
{"items": [
  {"metadata": {"name": "w1"}, "spec": {"podCIDRs": ["10.244.1.0/24"]},
   "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}},
  {"metadata": {"name": "w2"}, "spec": {"podCIDRs": ["10.244.2.0/24"]},
   "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.4"}]}}
]}
NODES
exit 0
