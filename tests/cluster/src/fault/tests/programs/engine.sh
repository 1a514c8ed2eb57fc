#!/bin/sh
# Stands where a test has an engine: writes down beside itself what it is told, and refuses the command
# that a file there names. What `nft` reads from standard input follows the words.
at=$(dirname "$0")
echo "$@" >>"$at/log"
[ "$4" = nft ] && cat >>"$at/log"
[ "$1" = "$(cat "$at/refused" 2>/dev/null)" ] && echo 'no such thing' >&2 && exit 1
exit 0
