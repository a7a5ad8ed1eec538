#!/bin/sh
# A node that gets a version or a configuration is not leaving: the gateway has to start.
set -eu
rm -f "${ROOT:-}/run/rts/leaving"
